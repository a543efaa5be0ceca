"""Headers that every answer carries."""

from liyu.core.settings import Settings

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
POLICY = b"content-security-policy"
SCANNING_PATHS = frozenset({"/partner/verify", "/partner/verify/bill", "/partner/offline", "/wallet/add"})
"""Pages with a camera. Where a browser has no reader of its own, ours is WebAssembly, which only they may compile."""
_SCANNING_POLICY = CONTENT_SECURITY_POLICY.replace("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'")
LOCATING_PATHS = ("/wallet", "/vouchers/", "/partner/stores/", "/console/stores/")
"""How the paths begin of pages that may ask where the device is: stores by distance, and a store's own place."""
REQUEST_MAX_BODY_SIZE = 10 * 1024 * 1024


def policy_with_sheet(source: str) -> tuple[bytes, bytes]:
    """The header of a page that holds one stylesheet, told by its digest; every other one inside a page is still refused."""
    policy = CONTENT_SECURITY_POLICY.replace("style-src 'self'", f"style-src 'self' {source}")
    return (POLICY, policy.encode())


def security_headers(
    settings: Settings, *, scanning: bool = False, locating: bool = False
) -> list[tuple[bytes, bytes]]:
    """The headers, made once per process for each kind of page. The camera scans vouchers.

    The policy is the first, and left out where a page brings its own.
    """
    headers = {
        POLICY.decode(): _SCANNING_POLICY if scanning else CONTENT_SECURITY_POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "permissions-policy": f"camera=(self), microphone=(), geolocation={'(self)' if locating else '()'}, payment=()",
        "cross-origin-opener-policy": "same-origin",
    }
    if not settings.is_development:
        headers["strict-transport-security"] = "max-age=31536000; includeSubDomains"
    return [(name.encode(), value.encode()) for name, value in headers.items()]
