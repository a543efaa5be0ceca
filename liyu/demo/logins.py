"""Who can sign in to the demo, for the terminal."""

from liyu.demo.files import read_json

STAFF_PASSWORD = "liyu-demo"  # noqa: S105 - shown on the demo's sign-in page


def describe_logins() -> str:
    """One line for each audience."""
    member, staff = read_json("members")[0], read_json("staff")
    operators = ", ".join(person["email"] for person in staff["operators"])
    partners = ", ".join(person["email"] for person in staff["partner_staff"][:4])
    return "\n".join(
        [
            f"Member    {member['phone']}  (the code appears on the page /dev/outbox)",
            f"Partner   {partners}  password {STAFF_PASSWORD}",
            f"Operator  {operators}  password {STAFF_PASSWORD}",
        ]
    )
