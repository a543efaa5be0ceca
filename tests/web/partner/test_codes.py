"""A partner's own pools: loaded and recalled by its managers; another partner's are not there."""

from tests.web.partner.conftest import Enter, Portal
from tests.web.personas import token_in


async def test_a_partner_loads_and_recalls_its_own_codes_and_sees_no_others(portal: Portal, enter: Enter) -> None:
    world, partners = portal.shops.world, portal.shops.partners
    for sku, partner in (("ours", "LUCK"), ("theirs", "TEA")):
        await world.item(sku, kind="code", stock=0)
        await world.connection.execute("UPDATE item SET partner_id = %s WHERE sku = %s", (partners[partner], sku))
    tea, owner = await enter("tea"), await enter("owner")
    token = token_in(await tea.get("/partner/codes/theirs"))
    await tea.post("/partner/codes/theirs/import", data={"csrf_token": token, "codes": "T-1\nT-2"})
    listed = (await owner.get("/partner/codes")).text
    assert "/partner/codes/ours" in listed
    assert "theirs" not in listed
    token = token_in(await owner.get("/partner/codes/ours"))
    sent = await owner.post("/partner/codes/ours/import", data={"csrf_token": token, "codes": "O-1\nT-1"})
    report = (await owner.get(sent.headers["location"])).text
    # In whose pool the code is already is nobody else's business.
    assert "In a pool already" in report
    assert "theirs" not in report
    fields = {"csrf_token": token, "reason": "x", "sure": "yes", "lead_days": "3"}
    for path in ("", "/import", "/recall", "/watch", "/imports/1/faults.csv"):
        address = f"/partner/codes/theirs{path}"
        is_read = path == "" or path.endswith(".csv")
        answer = await (
            owner.get(address) if is_read else owner.post(address, data={**fields, "codes": "X", "import_id": "1"})
        )
        assert answer.status_code in (404, 422), address
    # An import of another pool cannot be recalled through one's own either.
    foreign = await owner.post("/partner/codes/ours/recall", data={**fields, "import_id": "1"})
    assert foreign.status_code == 404
    assert await world.one("SELECT count(*) FROM pool_recall") == 0
    own = await owner.post("/partner/codes/ours/recall", data={**fields, "import_id": "2"})
    assert own.status_code == 303
    assert await world.one("SELECT count(*) FROM pool_code WHERE recall_id IS NOT NULL") == 1
    cashier = await enter("cashier")
    assert (await cashier.get("/partner/codes/ours")).status_code == 403
