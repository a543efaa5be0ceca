"""A small strict Stripe: real HTTP on this machine, the state and the faults that tests need, nothing that they do not.

Strict: an unknown parameter is refused, an idempotency key answers once and never for other parameters, and no more is refunded
than was paid. Webhooks are gathered in `events`; a test delivers them once, twice, late, in another order, or not at all.
"""

import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

KEY, SECRET = "sk_test_peer", "whsec_peer"

_INTENT = {"amount", "currency", "metadata[redemption]"}
_CONFIRM = {"payment_method_data[type]", "payment_method_options[wechat_pay][client]", "return_url"}
_CHECKOUT = {
    "mode", "allowed_payment_method_types[0]", "client_reference_id", "line_items[0][quantity]",
    "line_items[0][price_data][currency]", "line_items[0][price_data][unit_amount]",
    "line_items[0][price_data][product_data][name]", "payment_intent_data[metadata][redemption]", "success_url", "cancel_url",
    "locale",
}  # fmt: skip
_REFUND = {"payment_intent", "amount"}


class RefusalError(Exception):
    """An answer of Stripe's that is not 200."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        self.status = status
        self.body = {"error": {"type": kind, "message": message}}


class StripePeer:
    """The state of the account. `lose_answers` lets so many of the next calls succeed without an answer."""

    def __init__(self) -> None:
        self.intents: dict[str, dict[str, Any]] = {}
        self.sessions: dict[str, dict[str, Any]] = {}
        self.refunds: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.answers: dict[str, tuple[Any, int, dict[str, Any]]] = {}
        self.calls: list[str] = []
        self.lose_answers = 0
        self.down = False
        self.base = ""
        self.lock = threading.Lock()

    def handle(self, method: str, path: str, values: dict[str, str], key: str) -> tuple[int, dict[str, Any]]:
        with self.lock:
            self.calls.append(f"{method} {path}")
            if self.down:
                return 500, {"error": {"type": "api_error", "message": "down"}}
            asked = (method, path, sorted(values.items()))
            if key and key in self.answers:
                first, status, answer = self.answers[key]
                if first != asked:
                    fault = "Keys for idempotent requests can only be used with the same parameters."
                    return 400, {"error": {"type": "idempotency_error", "message": fault}}
                return status, answer
            try:
                status, answer = 200, json.loads(json.dumps(self._route(method, path.split("/")[2:], values)))
            except RefusalError as refusal:
                status, answer = refusal.status, refusal.body
            if key:
                self.answers[key] = (asked, status, answer)
            return status, answer

    def pay(self, *, intent: str = "", session: str = "", amount: int | None = None) -> str:
        """What the member does on the page of the wallet or of Stripe; the PaymentIntent that is paid."""
        with self.lock:
            if session:
                one = self.sessions[session]
                assert one["status"] == "open"
                one["status"] = "complete"
                intent = one["payment_intent"] = self._make_intent(one["amount"], one["currency"], one["number"])["id"]
            paid = self.intents[intent]
            assert paid["status"] in {"requires_action", "requires_payment_method"}, paid["status"]
            paid |= {"status": "succeeded", "amount_received": amount or paid["amount"]}
            self._tell("payment_intent.succeeded", paid)
            return intent

    def fail(self, intent: str) -> None:
        """An attempt that the bank declines."""
        self._tell("payment_intent.payment_failed", self.intents[intent])

    def refund_by_hand(self, intent: str, amount: int) -> None:
        """Somebody gives money back in Stripe's own dashboard."""
        with self.lock:
            self._refund({"payment_intent": intent, "amount": str(amount)})

    def signed(self, event: dict[str, Any], *, age: int = 0, secret: str = SECRET) -> tuple[bytes, str]:
        """The body and the signature of a webhook."""
        body, at = json.dumps(event).encode(), int(time.time()) - age
        return body, f"t={at},v1={hmac.new(secret.encode(), b'%d.%s' % (at, body), sha256).hexdigest()}"

    def refunded(self, intent: str) -> int:
        return sum(one["amount"] for one in self.refunds if one["payment_intent"] == intent)

    def _route(  # noqa: C901 - one case for each call
        self, method: str, path: list[str], values: dict[str, str]
    ) -> dict[str, Any]:
        match (method, *path):
            case ("POST", "payment_intents"):
                _allow(values, _INTENT)
                return self._make_intent(int(values["amount"]), values["currency"], values["metadata[redemption]"])
            case ("GET", "payment_intents", intent):
                return self._intent(intent)
            case ("POST", "payment_intents", intent, "confirm"):
                _allow(values, _CONFIRM)
                return self._confirm(self._intent(intent), values)
            case ("POST", "payment_intents", intent, "cancel"):
                _allow(values, set())
                one = self._intent(intent)
                if one["status"] in {"succeeded", "canceled"}:
                    raise RefusalError(
                        400, "invalid_request_error", f"You cannot cancel a {one['status']} PaymentIntent."
                    )
                one["status"] = "canceled"
                return one
            case ("POST", "checkout", "sessions"):
                _allow(values, _CHECKOUT)
                return self._open_session(values)
            case ("GET", "checkout", "sessions", session):
                return self.sessions[session]
            case ("POST", "checkout", "sessions", session, "expire"):
                one = self.sessions[session]
                if one["status"] != "open":
                    raise RefusalError(400, "invalid_request_error", "Only open sessions can be expired.")
                one["status"] = "expired"
                return one
            case ("POST", "refunds"):
                _allow(values, _REFUND)
                return self._refund(values)
        raise RefusalError(404, "invalid_request_error", f"Unrecognized request URL ({method} {path})")

    def _make_intent(self, amount: int, currency: str, number: str) -> dict[str, Any]:
        one = {
            "id": f"pi_{len(self.intents) + 1}", "object": "payment_intent", "amount": amount, "amount_received": 0,
            "currency": currency, "metadata": {"redemption": number}, "status": "requires_payment_method", "next_action": None,
        }  # fmt: skip
        self.intents[str(one["id"])] = one
        return one

    def _intent(self, intent: str) -> dict[str, Any]:
        if intent not in self.intents:
            raise RefusalError(404, "invalid_request_error", "No such payment_intent")
        return self.intents[intent]

    def _confirm(self, one: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
        if one["status"] not in {"requires_payment_method", "requires_action"}:
            raise RefusalError(400, "invalid_request_error", f"You cannot confirm a {one['status']} PaymentIntent.")
        way, page = values["payment_method_data[type]"], f"{self.base}/pay/{one['id']}"
        actions = {
            "alipay": {"type": "alipay_handle_redirect", "alipay_handle_redirect": {"url": page}},
            "wechat_pay": {
                "type": "wechat_pay_display_qr_code",
                "wechat_pay_display_qr_code": {"hosted_instructions_url": page},
            },
        }
        one |= {"status": "requires_action", "next_action": actions[way]}
        return one

    def _open_session(self, values: dict[str, str]) -> dict[str, Any]:
        name = f"cs_{len(self.sessions) + 1}"
        self.sessions[name] = {
            "id": name, "object": "checkout.session", "status": "open", "payment_intent": None, "url": f"{self.base}/c/{name}",
            "amount": int(values["line_items[0][price_data][unit_amount]"]),
            "currency": values["line_items[0][price_data][currency]"],
            "number": values["payment_intent_data[metadata][redemption]"],
        }  # fmt: skip
        return self.sessions[name]

    def _refund(self, values: dict[str, str]) -> dict[str, Any]:
        intent, amount = self._intent(values["payment_intent"]), int(values["amount"])
        if self.refunded(intent["id"]) + amount > intent["amount_received"]:
            raise RefusalError(
                400, "invalid_request_error", "Refund amount is greater than unrefunded amount on charge"
            )
        one = {
            "id": f"re_{len(self.refunds) + 1}",
            "object": "refund",
            "payment_intent": intent["id"],
            "amount": amount,
        }
        self.refunds.append(one)
        self._tell("charge.refunded", {
            "id": f"ch_{intent['id']}", "object": "charge", "payment_intent": intent["id"], "amount": intent["amount"],
            "amount_refunded": self.refunded(intent["id"]), "currency": intent["currency"], "metadata": {},
        })  # fmt: skip
        return one

    def _tell(self, kind: str, thing: dict[str, Any]) -> None:
        event = {
            "id": f"evt_{len(self.events) + 1}", "object": "event", "type": kind, "created": int(time.time()),
            "data": {"object": json.loads(json.dumps(thing))},
        }  # fmt: skip
        self.events.append(event)


def _allow(values: dict[str, str], known: set[str]) -> None:
    if unknown := values.keys() - known:
        raise RefusalError(400, "invalid_request_error", f"Received unknown parameters: {sorted(unknown)}")


@contextmanager
def listening() -> Iterator[StripePeer]:
    """The peer, listening on a port of its own."""
    peer = StripePeer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            assert self.headers["authorization"] == f"Bearer {KEY}"
            status, answer = peer.handle(
                self.command, self.path, dict(parse_qsl(body)), self.headers.get("idempotency-key", "")
            )
            if peer.lose_answers:
                # The work is done; the answer never arrives.
                peer.lose_answers -= 1
                self.close_connection = True
                return
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    peer.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield peer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
