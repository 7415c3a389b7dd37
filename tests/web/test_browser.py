"""The page in a real browser at a real node: clicks, keys, proofs, two widths, a node that goes away."""

import pytest

from tests.web.conftest import TRANSFERS, Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

PLACES = ("", "checkpoints", "checkpoints/1", "committee", "blocks/1/0", "learning", "jobs", "shards")
PICTURE_SIZE_MIN = 8_000
"""An empty page is smaller."""


async def read(site: Site, selector: str) -> str:
    """The text of an element."""
    return str(await site.page.run(f"document.querySelector({selector!r}).innerText"))


async def press_button(site: Site, name: str) -> None:
    """Press the button that says ``name``."""
    await site.page.run(
        f"[...document.querySelectorAll('button')].find((one) => one.innerText === {name!r}).click()"
    )


async def test_the_graph_is_walked_by_pointer_and_by_keys(site: Site) -> None:
    page = site.page
    await site.open()
    await page.wait(f"document.querySelectorAll('.dot[data-status=checkpointed]').length > {TRANSFERS}")
    assert await page.run("document.querySelectorAll('.edges path').length") >= TRANSFERS
    last = site.sent[-1].id.hex()
    await page.click(f".dot[data-id='{last}']")
    await page.wait("!document.querySelector('.chosen-panel').hidden")
    assert site.alice[:9] in await read(site, ".chosen-panel")
    assert await read(site, ".hold") == "Go on"
    await page.run("document.querySelector('.graph').focus()")
    await page.press("ArrowLeft")
    chosen = str(await page.run("document.querySelector('.dot.chosen').dataset.id"))
    assert bytes.fromhex(chosen) in site.sent[-1].parents
    assert last in await page.run(
        "[...document.querySelectorAll('.dot.future')].map((one) => one.dataset.id)"
    )
    await page.press("f")
    await page.wait(f"location.hash === '#/dag/{chosen}'")
    await page.press("Enter")
    await page.wait(f"location.hash === '#/transactions/{chosen}'")
    await page.wait("document.querySelector('.proof-verdict.good')")
    assert page.faults == []


async def test_a_proof_holds_and_no_longer_does_with_one_bit_changed(site: Site) -> None:
    page = site.page
    await site.open(f"transactions/{site.sent[0].id.hex()}")
    await page.wait("document.querySelector('.proof-verdict.good')")
    assert await page.run("document.querySelectorAll('.proof-steps .holds').length") == 6
    assert "final" in await read(site, ".stages")
    for _ in range(5):
        await press_button(site, "Change one bit")
        await page.wait("document.querySelector('.proof-verdict.bad')")
        assert await page.run("document.querySelectorAll('.proof-steps .fails').length") == 1
        await press_button(site, "Check again")
        await page.wait("document.querySelector('.proof-verdict.good')")
    await page.click(".dot[data-id]:not(.chosen)")
    await page.wait(f"!location.hash.endsWith('{site.sent[0].id.hex()}')")
    assert page.faults == []


async def test_an_account_is_found_and_its_balance_proven(site: Site) -> None:
    page = site.page
    await site.open()
    await page.press("/")
    await page.type(site.bob)
    await page.press("Enter", 13)
    await page.wait(f"location.hash === '#/accounts/{site.bob}'")
    await page.wait("document.querySelector('.proof-verdict.good')")
    figures = await page.run("[...document.querySelectorAll('.balance')].map((one) => one.innerText)")
    assert figures == [f"0.{5 * TRANSFERS:09d}".rstrip("0") + " MST"] * 2
    assert await page.run("document.querySelectorAll('tbody tr').length") == TRANSFERS
    for wanted, place in ((site.sent[1].id.hex(), "transactions"), ("1", "checkpoints")):
        await page.press("/")
        await page.type(wanted)
        await page.press("Enter", 13)
        await page.wait(f"location.hash === '#/{place}/{wanted}'")
    assert page.faults == []


async def test_every_page_at_both_widths_and_in_both_themes(site: Site) -> None:
    page = site.page
    places = (*PLACES, "console", f"transactions/{site.sent[0].id.hex()}", f"accounts/{site.alice}")
    for width, height, theme in ((1280, 860, "dark"), (390, 844, "light"), (320, 640, "dark")):
        await page.set_size(width, height)
        await page.set_theme(theme)
        for place in places:
            await site.open(place)
            assert await page.run("document.documentElement.dataset.theme") == theme
            assert await page.run("document.documentElement.scrollWidth") <= width, place
            assert len(await page.take_picture()) > PICTURE_SIZE_MIN
            assert page.faults == [], place


async def test_signatures_of_checkpoints_and_weights_are_checked(site: Site) -> None:
    page = site.page
    await site.open(f"checkpoints/{site.sent[-1].checkpoint}")
    await page.wait("document.querySelector('.proof-verdict.good')")
    assert await page.run("document.querySelectorAll('.signers li[data-signed=true]').length") == 1
    await page.wait(f"document.querySelector('tbody').innerText.includes('{site.sent[-1].id.hex()[:8]}')")
    await site.open("learning")
    await page.wait("document.querySelectorAll('.weights canvas').length === 32")
    await page.click(".buttons button")
    await page.wait("document.querySelector('.proof-verdict.good')")
    assert "Generation 0" in await read(site, ".proof-verdict")
    assert page.faults == []


async def test_stakes_and_the_next_election_are_shown(site: Site) -> None:
    await site.open("committee")
    await site.page.wait("document.querySelectorAll('.stakes li').length === 1")
    shown = await read(site, ".stakes")
    assert "10,000 MST" in shown
    assert "orders" in shown
    assert "100.0 % now, 100.0 % next" in shown
    assert site.page.faults == []


async def test_the_console_sends_what_it_shows(site: Site) -> None:
    page = site.page
    await site.open("console/get_account")
    await page.wait("document.querySelector('.operation input')")
    await page.run("document.querySelector('.operation input').focus()")
    await page.type(site.bob)
    assert f"/v1/accounts/{site.bob}" in await read(site, ".curl")
    await page.click(".operation .primary")
    await page.wait("document.querySelector('.answer pre')")
    assert "200" in await read(site, ".answer p")
    assert f'"balance": "{5 * TRANSFERS}"' in await read(site, ".answer pre")
    await site.open("console/get_transaction")
    await page.run("document.querySelector('.operation input').focus()")
    await page.type("00" * 32)
    await page.click(".operation .primary")
    await page.wait("document.querySelector('.answer .bad')")
    assert "not-found" in await read(site, ".answer pre")


async def test_it_says_when_the_node_is_gone_and_finds_it_again(site: Site) -> None:
    page = site.page
    await site.open()
    assert await page.run("document.getElementById('banner').hidden")
    assert await site.node.stop() == 0
    await page.wait("document.body.dataset.state === 'disconnected'")
    assert "Last heard" in await read(site, "#banner")
    site.node.start()
    await page.wait("document.body.dataset.state === 'live'")
    assert await page.run("document.getElementById('banner').hidden")


async def test_a_place_or_a_name_that_is_not_there(site: Site) -> None:
    page = site.page
    for place, title in (("nowhere", "Nothing here"), (f"transactions/{'00' * 32}", "Not known here")):
        await site.open(place)
        assert await read(site, "h1") == title
    await site.open()
    await page.press("/")
    await page.type("<img src=x onerror=alert(1)>")
    await page.press("Enter", 13)
    await page.wait("document.getElementById('search-text').validationMessage")
    assert await page.run("location.hash") == "#/"


async def test_nothing_may_be_loaded_from_elsewhere_or_made_of_text(site: Site) -> None:
    page = site.page
    await site.open()
    assert await page.run("fetch('http://127.0.0.2:9/').then(() => 'sent', () => 'refused')") == "refused"
    assert any("Content Security Policy" in fault for fault in page.faults)
    made = "(() => { try { document.body.innerHTML = '<p>' } catch (error) { return error.name } })()"
    assert await page.run(made) == "TypeError"
    assert await page.run("document.querySelector('h1') !== null")
