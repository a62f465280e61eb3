// SPDX-License-Identifier: GPL-2.0-or-later
// Two providers: a health check, a failure that the page tells of while it happens, a test, an uplink out of
// service, policies; all of it seen in packets.

import assert from "node:assert/strict";
import { api, ask, close, everythingNamed, field, focused, logIn, noSidewaysScroll, open, row, run, serve, shot, story, until }
	from "./browser.mjs";

const server = "203.0.113.200";
const blackhole = ["add table inet hole", "add chain inet hole f { type filter hook forward priority 0 ; policy drop ; }"];

const show = (page, view) => page.locator("nav").getByRole("link", { name: view }).click();
const write = (page, name, text) => field(page, name).locator("input").fill(text);
const pick = (page, name, choice) => field(page, name).getByLabel(choice, { exact: true }).check();
const peer = async (port = 9010) => (await ask("client", server, port)).peer;

async function save(page) {
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByRole("dialog").waitFor({ state: "detached" });
}

await story(async () => {
	await serve("internet", 9010);
	await serve("internet", 9011);
	const page = await open();
	await logIn(page);
	await show(page, "Uplinks");
	await healthCheck(page);
	await failure(page);
	await outOfService(page);
	await shares(page);
	await policies(page);
	await close(page);
	await everySize();
});

async function healthCheck(page) {
	for (const name of ["isp1", "isp2"]) {
		await row(page, name).getByRole("link", { name, exact: true }).click();
		assert.equal(await field(page, "targets").count(), 0, "only with a check");
		await pick(page, "check", "TCP");
		await page.getByRole("button", { name: "Take 1.1.1.1:443" }).click();
		assert.equal(await field(page, "targets").locator("input").inputValue(), "1.1.1.1:443, 8.8.8.8:443, 9.9.9.9:443");
		await pick(page, "check", "Ping");
		await write(page, "targets", name === "isp1" ? "nowhere" : server);
		await page.getByText("More", { exact: true }).click();
		await write(page, "interval_ms", "1");
		await page.getByRole("button", { name: "Save" }).click();
		await field(page, "interval_ms").locator(".complaint", { hasText: "from 100" }).waitFor();
		await write(page, "interval_ms", "200");
		if (name === "isp1") {
			await page.getByRole("button", { name: "Save" }).click();
			await field(page, "targets").locator(".complaint", { hasText: "a host's address" }).waitFor();
		}
		await write(page, "targets", server);
		await write(page, "up_after", "2");
		await shot(page, `uplink-check-${name}`);
		await save(page);
	}
	for (const name of ["isp1", "isp2"])
		await row(page, name).locator(".quality-words", { hasText: "ms" }).waitFor();
	await row(page, "isp1").getByText("In use").waitFor();
	await row(page, "isp2").getByText("Standby").waitFor();
	await until(async () => await row(page, "isp1").locator(".probe").count() > 5, "bars of probes");
	await everythingNamed(page);
}

async function failure(page) {
	assert.equal(await peer(), "192.0.2.1");
	for (const rule of blackhole)
		await run("isp1", `nft '${rule}'`);
	await row(page, "isp1").locator(".badge-bad", { hasText: "Nobody answers" }).waitFor();
	await row(page, "isp1").getByText(`asked: ${server}`).waitFor();
	await row(page, "isp2").getByText("In use").waitFor();
	await until(async () => await peer() === "198.51.100.1", "the client to leave by isp2");
	await page.locator(".strip", { hasText: "isp1: Nobody answers" }).waitFor();
	await until(async () => await row(page, "isp1").locator(".probe-lost").count() > 5, "red bars");
	await shot(page, "uplinks");

	await row(page, "isp1").getByRole("button", { name: "Test isp1 now" }).click();
	const sheet = page.getByRole("dialog");
	await sheet.getByText("It does not work.").waitFor();
	await sheet.locator(".changes li").first().getByText("Nobody answers").waitFor();
	await shot(page, "uplink-health");
	await run("isp1", "nft delete table inet hole");
	await sheet.locator(".changes li").first().getByText("Up").waitFor();
	await sheet.getByRole("button", { name: "Test now" }).click();
	await sheet.getByText("It works.").waitFor();
	await shot(page, "uplink-recovered");
	await page.keyboard.press("Escape");
	await row(page, "isp1").getByText("In use").waitFor();
	await until(async () => await peer() === "192.0.2.1", "the client to be back");
}

async function outOfService(page) {
	await row(page, "isp1").getByRole("button", { name: "Take out of service" }).click();
	await row(page, "isp1").getByText("Out of service").waitFor();
	await until(async () => await peer() === "198.51.100.1", "the client to leave by isp2");
	await row(page, "isp1").getByRole("button", { name: "Put back into service" }).click();
	await row(page, "isp1").getByText("In use").waitFor();
	await until(async () => await peer() === "192.0.2.1", "the client to be back");
}

async function shares(page) {
	await row(page, "isp2").getByRole("link", { name: "isp2", exact: true }).click();
	await page.getByText("More", { exact: true }).click();
	await write(page, "tier", "1");
	await write(page, "weight", "3");
	await save(page);
	await row(page, "isp1").getByText("25 % of them").waitFor();
	await row(page, "isp2").getByText("75 % of them").waitFor();
	const peers = [];
	for (let i = 0; i < 8; i++)
		peers.push(await peer());
	assert.equal(peers.filter((address) => address === "198.51.100.1").length, 6, String(peers));
}

async function policies(page) {
	await show(page, "Policies");
	await page.getByText("Connections are shared out by weight").waitFor();
	const add = async (name, port, uplinks, otherwise) => {
		await page.getByRole("link", { name: "Add a policy" }).click();
		await write(page, "name", name);
		await write(page, "ports", port);
		for (const one of uplinks)
			await field(page, "uplinks").getByRole("button", { name: `Add ${one}` }).click();
		await pick(page, "otherwise", otherwise);
		await save(page);
		await row(page, name).waitFor();
	};
	await add("telephony", "9011", ["isp1"], "Nothing gets out");
	for (let i = 0; i < 4; i++)
		assert.equal(await peer(9011), "192.0.2.1");
	await add("all", "", ["isp2", "isp1"], "Any other uplink");
	for (let i = 0; i < 4; i++)
		assert.deepEqual([await peer(9010), await peer(9011)], ["198.51.100.1", "192.0.2.1"]);
	// The first that fits decides.
	const first = () => page.locator("tbody tr").first().getAttribute("data-name");
	await page.getByRole("button", { name: "Move all up" }).focus();
	await page.keyboard.press("Enter");
	await until(async () => await first() === "all", "the new order");
	await until(async () => await focused(page) === "Move all up", "the focus stays with what was moved");
	await until(async () => await peer(9011) === "198.51.100.1", "the first to decide");
	await page.getByRole("button", { name: "Move all down" }).click();
	await until(async () => await first() === "telephony", "the former order");
	await until(async () => await peer(9011) === "192.0.2.1", "the former order in the kernel");
	await reorder(page);
	await api("POST", "/policies", { name: "cameras", sources: ["192.168.0.250"], uplinks: [], otherwise: "unreachable" });
	await row(page, "cameras").getByText("none: nothing gets out").waitFor();
	await run("router", "ip link set eth0 down");
	await row(page, "telephony").locator(".cell-now", { hasText: "nothing gets out" }).waitFor();
	await shot(page, "policies");
	assert.notEqual((await ask("client", server, 9011)).outcome, "answer");
	assert.equal(await peer(9010), "198.51.100.1");
	await run("router", "ip link set eth0 up");
	await run("router", "ip route replace default via 192.0.2.254 dev eth0 metric 100");
	await until(async () => await peer(9011) === "192.0.2.1", "the way back");
}

// In the editor, with the keyboard; names that are not there any more stay until they are taken out.
async function reorder(page) {
	const policy = async () => (await api("GET", "/policies")).body.items.find(({ name }) => name === "all");
	await api("PATCH", `/policies/${(await policy()).id}`, { uplinks: ["isp2", "isp1", "lte"] });
	await row(page, "all").getByText("isp2, isp1, lte").waitFor();
	await row(page, "all").getByRole("link", { name: "all", exact: true }).click();
	const uplinks = field(page, "uplinks");
	await uplinks.locator("li", { hasText: "there is none of this name" }).getByText("lte").waitFor();
	await uplinks.getByRole("button", { name: "Prefer isp1 more" }).focus();
	await page.keyboard.press("Enter");
	assert.equal(await focused(page), "Prefer isp1 more");
	await page.keyboard.press("Enter"); // it is the first already
	await shot(page, "policy");
	await everythingNamed(page);
	await uplinks.getByRole("button", { name: "Leave lte out" }).click();
	await uplinks.getByRole("button", { name: "Leave isp2 out" }).focus();
	await page.keyboard.press("Enter");
	assert.equal(await focused(page), "Add isp2");
	await page.keyboard.press("Enter");
	await save(page);
	assert.deepEqual((await policy()).uplinks, ["isp1", "isp2"]);
	await row(page, "all").locator(".cell-now").getByText("isp1").waitFor();
	await api("PATCH", `/policies/${(await policy()).id}`, { uplinks: ["isp2", "isp1"] });
	await row(page, "all").locator(".cell-now").getByText("isp2").waitFor();
}

async function everySize() {
	for (const [name, options] of Object.entries({
		phone: { viewport: { width: 360, height: 780 }, hasTouch: true },
		night: { colorScheme: "dark" },
	})) {
		const page = await open(options);
		await logIn(page);
		for (const view of ["uplinks", "policies"]) {
			await page.evaluate((hash) => { location.hash = hash; }, `#/${view}`);
			await page.locator("tbody tr").first().waitFor();
			await noSidewaysScroll(page);
			await everythingNamed(page);
			await shot(page, `${view}-${name}`);
		}
		await page.evaluate(() => { location.hash = "#/uplinks"; });
		await page.getByRole("button", { name: "Health of isp1" }).click();
		await page.getByRole("dialog").waitFor();
		await noSidewaysScroll(page);
		await shot(page, `uplink-health-${name}`);
		await close(page);
	}
	assert.equal((await api("GET", "/policies")).body.items.length, 3);
}
