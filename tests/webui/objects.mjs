// SPDX-License-Identifier: GPL-2.0-or-later
// Uplinks, networks, redirects and source NATs: added and changed on the page, seen in packets.

import assert from "node:assert/strict";
import { api, ask, field, logIn, open, row, run, serve, shot, story, until } from "./browser.mjs";

const show = (page, view) => page.locator("nav").getByRole("link", { name: view }).click();
const write = (page, name, text) => field(page, name).locator("input").fill(text);
const pick = (page, name, choice) => field(page, name).getByLabel(choice, { exact: true }).check();

async function save(page) {
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByRole("dialog").waitFor({ state: "detached" });
}

await story(async () => {
	const page = await open();
	await logIn(page);
	await uplinks(page);
	await networks(page);
	await redirects(page);
	await sourceNats(page);
	await inUse(page);
});

async function uplinks(page) {
	await show(page, "Uplinks");
	await page.getByRole("link", { name: "Add an uplink" }).click();
	await write(page, "name", "lte");
	await page.getByLabel("Another device, by name").fill("wwan0");
	await save(page);
	await row(page, "lte").getByText("Its device is not there").waitFor();

	await row(page, "isp2").getByRole("link", { name: "isp2", exact: true }).click();
	await page.getByText("More", { exact: true }).click();
	await pick(page, "gateway_mode", "A fixed one");
	await write(page, "gateway", "198.51.100.999");
	await page.getByRole("button", { name: "Save" }).click();
	await field(page, "gateway").locator(".complaint").waitFor();
	await write(page, "gateway", "198.51.100.254");
	await pick(page, "nat_mode", "A fixed one");
	await write(page, "source_nat", "198.51.100.1");
	await shot(page, "uplink");
	await save(page);
	const isp2 = (await api("GET", "/uplinks")).body.items.find((uplink) => uplink.name === "isp2");
	assert.deepEqual([isp2.gateway, isp2.source_nat], ["198.51.100.254", "198.51.100.1"]);
}

// Hairpin is switched where the network is, and holds for every forward.
async function networks(page) {
	await api("POST", "/forwards", { name: "web", external_ports: "9999", internal_address: "192.168.0.2" });
	const hairpin = async (on) => {
		await row(page, "home").getByRole("link", { name: "home", exact: true }).click();
		await page.getByLabel("Public address works from inside").setChecked(on);
		await save(page);
		await row(page, "home").getByText(on ? "Works" : "Off", { exact: true }).waitFor();
	};
	await show(page, "Networks");
	assert.equal((await ask("client", "192.0.2.1", 9999)).outcome, "answer");
	await hairpin(false);
	assert.notEqual((await ask("client", "192.0.2.1", 9999)).outcome, "answer");
	await hairpin(true);
	assert.equal((await ask("client", "192.0.2.1", 9999)).outcome, "answer");

	// A complaint about a folded entry unfolds it.
	await row(page, "home").getByRole("link", { name: "home", exact: true }).click();
	await page.getByText("More", { exact: true }).click();
	await write(page, "prefixes", "192.168.50.0/24 nowhere");
	await page.getByText("More", { exact: true }).click();
	await page.getByRole("button", { name: "Save" }).click();
	await field(page, "prefixes").locator(".complaint").waitFor();
	await write(page, "prefixes", "192.168.50.0/24");
	await save(page);
	await row(page, "home").getByText("192.168.50.0/24").waitFor();
}

async function redirects(page) {
	await serve("router", 8888);
	await show(page, "Redirects");
	await page.getByRole("link", { name: "Add a redirect" }).click();
	await write(page, "name", "proxy");
	await write(page, "to_port", "8888");
	await write(page, "except", "192.168.0.4");
	await save(page);
	await row(page, "proxy").getByText("this router, port 8888").waitFor();
	assert.equal((await ask("client", "203.0.113.201", 80)).server, "router");
	assert.notEqual((await ask("backend2", "203.0.113.201", 80)).outcome, "answer", "the exception");

	await row(page, "proxy").getByRole("link", { name: "proxy", exact: true }).click();
	await write(page, "port", "eighty");
	await page.getByRole("button", { name: "Save" }).click();
	await field(page, "port").locator(".complaint").waitFor();
	await page.keyboard.press("Escape");
	await page.getByRole("dialog").waitFor({ state: "detached" });
	await row(page, "proxy").getByRole("switch").click();
	await until(async () => (await ask("client", "203.0.113.201", 80)).outcome !== "answer", "the redirect is off");
}

async function sourceNats(page) {
	await run("router", "ip address add 192.0.2.9/24 dev eth0");
	await serve("internet", 9000);
	await show(page, "Source NAT");
	await page.getByRole("link", { name: "Add a source NAT" }).click();
	await write(page, "name", "mail");
	await write(page, "sources", "192.168.0.3/32");
	await write(page, "address", "192.0.2.9");
	await field(page, "uplink").locator("select").selectOption("isp1");
	await save(page);
	await row(page, "mail").getByText("192.0.2.9").waitFor();
	assert.equal((await ask("client", "203.0.113.200", 9000)).peer, "192.0.2.9");
	assert.equal((await ask("backend", "203.0.113.200", 9000)).peer, "192.0.2.1");
	await run("router", "ip address del 192.0.2.9/24 dev eth0");
}

// What something else refers to stays, and the page says why.
async function inUse(page) {
	await show(page, "Uplinks");
	await row(page, "isp1").getByRole("button", { name: "Delete isp1" }).click();
	await page.locator(".notice-bad", { hasText: "mail" }).waitFor();
	await row(page, "isp1").waitFor();
	await row(page, "lte").getByRole("button", { name: "Delete lte" }).click();
	await row(page, "lte").waitFor({ state: "detached" });
}
