"""A host gives a member's voucher to another: by a link that is good once, with a new code."""

from tests.web.api.world import Api, World, problem_of
from tests.web.conftest import NOW


async def test_a_host_offers_takes_back_and_accepts_for_its_members(api: Api, world: World) -> None:
    code = await api.voucher()
    offer = {"member": "M1", "voucher": code, "words": "Enjoy"}
    offered = await api.post("/vouchers/gifts", json=offer)
    assert offered.status_code == 201
    answer = offered.json()
    assert answer["link"].endswith(f"/gift/{answer['token']}")
    assert answer["expires_at"] > NOW.isoformat()
    assert (await api.post("/vouchers/gifts", json=offer)).json() == answer
    problem_of(await api.verify(code), 409, "gift_pending")
    before = await world.fingerprint()
    problem_of(await api.post("/vouchers/gifts", json=offer | {"member": "M2"}), 404, "unknown_voucher")
    problem_of(await api.post("/vouchers/gifts", json=offer | {"voucher": "nonsense"}), 404, "unknown_voucher")
    problem_of(await api.post("/vouchers/gifts", json=offer | {"member": "nobody"}), 404, "unknown_member")
    problem_of(await api.post("/vouchers/gifts", json=offer | {"words": "x" * 61}), 422, "invalid_input")
    accept = {"member": "M2", "token": answer["token"]}
    problem_of(await api.post("/vouchers/gifts/accept", json=accept | {"token": "x"}), 404, "unknown_gift")
    problem_of(await api.post("/vouchers/gifts/accept", json=accept | {"member": "M1"}), 409, "own_gift")
    assert await world.fingerprint() == before

    back = {"member": "M1", "voucher": code}
    assert (await api.post("/vouchers/gifts/take-back", json=back)).json() == {"status": "taken_back", "voucher": code}
    problem_of(await api.post("/vouchers/gifts/take-back", json=back), 409, "gift_over")
    problem_of(await api.post("/vouchers/gifts/accept", json=accept), 409, "gift_over")
    token = (await api.post("/vouchers/gifts", json=offer)).json()["token"]
    accepted = [(await api.post("/vouchers/gifts/accept", json=accept | {"token": token})).json() for _ in range(2)]
    assert accepted[0] == accepted[1]
    assert accepted[0]["voucher"] != code
    problem_of(await api.verify(code), 404, "unknown_voucher")
    number = (await world.fetch("SELECT number FROM redemption"))[0][0]
    shown = (await api.get(f"/redemptions/{number}")).json()["vouchers"][0]["code"]
    assert "****" in shown
    problem_of(await api.post(f"/redemptions/{number}/cancel"), 409, "voucher_not_cancellable")
    assert (await api.verify(accepted[0]["voucher"])).status_code == 200
    await world.assert_books_balance()
