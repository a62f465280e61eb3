// SPDX-License-Identifier: GPL-2.0-or-later
// Every option of a forward, set on the page and seen in the API; complaints at the entries; warnings.

import assert from "node:assert/strict";
import { api, ask, everythingNamed, field, logIn, open, row, serve, shot, story } from "./browser.mjs";

const days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const write = (page, name, text) => field(page, name).locator("input").fill(text);
const pick = (page, name, choice) => field(page, name).getByLabel(choice, { exact: true }).check();
const complaint = (page, name) => field(page, name).locator(".complaint");

async function add(page, name, ports, address) {
	await page.getByRole("link", { name: "Add a forward" }).first().click();
	await write(page, "name", name);
	await write(page, "external_ports", ports);
	await write(page, "internal_address", address);
	await page.getByText("More", { exact: true }).click();
}

async function saveNew(page, name) {
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByRole("heading", { name: `${name} is ready` }).waitFor();
}

async function finish(page) {
	await page.getByRole("button", { name: "Done" }).click();
	await page.getByRole("dialog").waitFor({ state: "detached" });
}

async function edit(page, name) {
	await row(page, name).getByRole("link", { name, exact: true }).click();
	await page.getByText("More", { exact: true }).click();
}

const stored = async (name) => (await api("GET", "/forwards")).body.items.find((forward) => forward.name === name);

await story(async () => {
	const page = await open();
	await logIn(page);
	await everything(page);
	await hours(page);
	await pinhole(page);
	await withoutPorts(page);
	await complaints(page);
	await warnings(page);
});

async function everything(page) {
	await serve("backend", 9105);
	await add(page, "camera", "8000-8009,8443", "192.168.0.2");
	await write(page, "internal_ports", "9100-9109,9443");
	await pick(page, "protocol", "TCP");
	await pick(page, "backend_sees", "the router's address");
	await write(page, "sources", "203.0.113.200, 2001:db8::/32");
	await pick(page, "uplinks", "isp2");
	await page.getByLabel("Reachable from inside too").uncheck();
	await field(page, "expires_at").locator("input").fill("2040-05-06T07:08");
	await page.getByLabel("Log new connections").check();
	await write(page, "comment", "<b>&amp; \"quoted\"");
	await page.getByRole("button", { name: "Save" }).click();
	await complaint(page, "sources").waitFor(); // of another family
	await write(page, "sources", "203.0.113.200");
	await everythingNamed(page);
	await saveNew(page, "camera");
	await finish(page);

	const { id, state, counters, ...camera } = await stored("camera");
	assert.deepEqual(camera, {
		name: "camera", enabled: true, family: "ipv4", protocols: ["tcp"], uplinks: ["isp2"],
		external_ports: "8000-8009,8443", internal_address: "192.168.0.2", internal_network: null, pinhole: false,
		internal_ports: "9100-9109,9443", sources: ["203.0.113.200"], hairpin: false, backend_sees: "router",
		comment: "<b>&amp; \"quoted\"", expires_at: new Date("2040-05-06T07:08").toISOString().replace(".000", ""),
		schedule: null, log: true,
	});
	await row(page, "camera").getByText("<b>&amp; \"quoted\"").waitFor();
	const seen = await ask("internet", "198.51.100.1", 8005);
	assert.deepEqual([seen.outcome, seen.local_port, seen.peer], ["answer", 9105, "192.168.0.1"]);
	assert.notEqual((await ask("client", "198.51.100.1", 8005)).outcome, "answer", "not from inside");
	assert.notEqual((await ask("internet", "192.0.2.1", 8005)).outcome, "answer", "not by the other uplink");

	// What was entered stands there again, and is saved unchanged.
	await edit(page, "camera");
	assert.equal(await field(page, "internal_ports").locator("input").inputValue(), "9100-9109,9443");
	assert.equal(await page.getByLabel("Log new connections").isChecked(), true);
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByRole("dialog").waitFor({ state: "detached" });
	const { state: _, counters: __, ...again } = await stored("camera");
	assert.deepEqual(again, { id, ...camera });
}

// Not the day that it is now, nor those beside it: nobody is let in.
async function hours(page) {
	const today = (new Date().getDay() + 6) % 7;
	const closed = [6, 0, 1].map((distance) => days[(today + distance) % 7]);
	await add(page, "evenings", "9999", "192.168.0.2");
	await page.getByRole("button", { name: "Set hours" }).click();
	const first = page.getByRole("group", { name: "Hours 1" });
	for (const day of days)
		await first.getByLabel(day).uncheck();
	await page.getByRole("button", { name: "Save" }).click();
	await complaint(page, "schedule").waitFor();
	for (const day of days.filter((name) => !closed.includes(name)))
		await first.getByLabel(day).check();
	await first.getByLabel("From").fill("18:00");
	await first.getByLabel("To").fill("00:00");
	await saveNew(page, "evenings");
	await page.getByText("nobody can reach it yet").waitFor();
	await finish(page);
	await row(page, "evenings").getByText("Outside its hours").waitFor();
	const short = (name) => name.slice(0, 3).toLowerCase();
	const { schedule } = await stored("evenings");
	assert.match(schedule, / 18:00-24:00$/);
	assert(!closed.some((day) => schedule.includes(short(day))), schedule);
	assert.notEqual((await ask("internet", "192.0.2.1", 9999)).outcome, "answer");

	await edit(page, "evenings");
	assert.equal(await field(page, "schedule").locator("output").textContent(), schedule, "as the daemon writes it");
	await first.getByRole("button", { name: "Remove hours 1" }).click();
	await page.getByRole("button", { name: "Set hours" }).click(); // daily, 08:00 to 22:00
	await page.getByRole("button", { name: "More hours" }).click();
	const second = page.getByRole("group", { name: "Hours 2" });
	for (const day of days.slice(0, 5))
		await second.getByLabel(day).uncheck();
	await second.getByLabel("From").fill("22:00");
	await second.getByLabel("To").fill("08:00");
	await shot(page, "schedule");
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByRole("dialog").waitFor({ state: "detached" });
	assert.equal((await stored("evenings")).schedule, "daily 08:00-22:00, sat,sun 22:00-08:00");
	await row(page, "evenings").getByText("daily 08:00-22:00, sat,sun 22:00-08:00").waitFor();

	await edit(page, "evenings");
	await first.getByRole("button", { name: "Remove hours 1" }).click();
	await page.getByRole("button", { name: "Remove hours 1" }).click();
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByRole("dialog").waitFor({ state: "detached" });
	assert.equal((await stored("evenings")).schedule, null);
	await row(page, "evenings").getByText("Live").waitFor();
	assert.equal((await ask("internet", "192.0.2.1", 9999)).outcome, "answer");
}

async function pinhole(page) {
	await add(page, "nas", "443,8000-8010", "fd00:db8:0:0:1:2:3:4");
	assert.equal(await field(page, "internal_network").count(), 0, "only for suffixes");
	await page.getByRole("button", { name: "Follow them: ::1:2:3:4/-64" }).click();
	await pick(page, "way", "By the device's own");
	assert.equal(await field(page, "internal_ports").count(), 0, "nothing is translated");
	await field(page, "internal_network").locator("select").selectOption("home");
	await shot(page, "pinhole");
	await saveNew(page, "nas");
	assert.equal(await page.locator(".share output").first().textContent(), "[fd00:db8::1:2:3:4]:443");
	await finish(page);
	const nas = await stored("nas");
	assert.deepEqual([nas.internal_address, nas.internal_network, nas.pinhole, nas.family, nas.internal_ports ?? null],
		["::1:2:3:4/-64", "home", true, "ipv6", null]);
	await row(page, "nas").locator(".cell-inside").getByText("fd00:db8::1:2:3:4").waitFor();
	await row(page, "nas").getByText("without translation").waitFor();
}

async function withoutPorts(page) {
	await add(page, "tunnel", "", "192.168.0.3");
	await pick(page, "protocol", "Other");
	await write(page, "protocols", "gre esp");
	await saveNew(page, "tunnel");
	await finish(page);
	const tunnel = await stored("tunnel");
	assert.deepEqual([tunnel.protocols, tunnel.external_ports], [["gre", "esp"], null]);
	await add(page, "telephone", "2905", "192.168.0.3");
	await pick(page, "protocol", "Other");
	await write(page, "protocols", "sctp, tcp");
	await saveNew(page, "telephone");
	await finish(page);
	assert.deepEqual((await stored("telephone")).protocols.sort(), ["sctp", "tcp"]);
}

// The daemon decides; what it says stands where it belongs.
async function complaints(page) {
	const wrong = async (name, change) => {
		await add(page, "wrong", "7000-7009", "192.168.0.4");
		await change();
		await page.getByRole("button", { name: "Save" }).click();
		await complaint(page, name).waitFor();
		assert(await complaint(page, name).isVisible(), `${name} is unfolded`);
		await page.keyboard.press("Escape");
		await page.getByRole("dialog").waitFor({ state: "detached" });
	};
	await wrong("external_ports", () => write(page, "external_ports", "9999"));
	await wrong("external_ports", () => write(page, "external_ports", "70000"));
	await wrong("internal_ports", () => write(page, "internal_ports", "1-3"));
	await wrong("internal_address", () => write(page, "internal_address", "127.0.0.1"));
	await wrong("internal_address", () => write(page, "internal_address", "2001:db8::1/-64"));
	await wrong("sources", () => write(page, "sources", "everyone"));
	await wrong("protocol", async () => {
		await pick(page, "protocol", "Other");
		await write(page, "protocols", "carrier-pigeon");
	});
	await wrong("name", () => write(page, "name", "camera"));
	assert.equal(await stored("wrong"), undefined);
}

// Said when it is saved, and until it is dismissed: the router itself uses the port.
async function warnings(page) {
	await serve("router", 2222);
	await add(page, "shell", "2222", "192.168.0.3");
	await saveNew(page, "shell");
	await page.locator(".form-warning", { hasText: "2222" }).waitFor();
	await shot(page, "warning");
	await finish(page);

	await edit(page, "shell");
	await write(page, "comment", "the other one");
	await page.getByRole("button", { name: "Save" }).click();
	const said = page.locator(".notice-warn", { hasText: "2222" });
	await said.waitFor();
	await page.locator(".notice-good").waitFor({ state: "detached" });
	await said.getByRole("button", { name: "Dismiss" }).click();
	await said.waitFor({ state: "detached" });
}
