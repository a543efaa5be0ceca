"""What consents are for, in words."""

from liyu.core.i18n import N_

CONSENT_PURPOSES: dict[str, str] = {
    "sms": N_("Offers by text message"),
    "mail": N_("Offers by e-mail"),
    "personal": N_("Recommendations for me"),
}
