// SPDX-License-Identifier: GPL-2.0-or-later
// A new router: setup with the code, devices picked, a forward added, reached from the internet, switched off,
// changed, deleted, brought back.

import assert from "node:assert/strict";
import { api, ask, everythingNamed, field, logIn, open, password, row, shot, story, until } from "./browser.mjs";

await story(async () => {
	const page = await open();
	await firstSetup(page);
	await pickDevices(page);
	await addForward(page);
	await seeConnections(page);
	await switchOffAndOn(page);
	await editPort(page);
	await deleteAndUndo(page);
	await leaveAndComeBack(page);
});

async function firstSetup(page) {
	await page.getByRole("heading", { name: "Welcome to Portico" }).waitFor();
	await shot(page, "setup");
	const { body } = await api("GET", "/setup");
	assert.match(body.code, /\S{6,}/);

	await page.getByLabel("Setup code").fill("no-such-code");
	await field(page, "password").locator("input").fill(password);
	await field(page, "repeat").locator("input").fill(`${password}!`);
	await page.getByRole("button", { name: "Set the password" }).click();
	await field(page, "repeat").locator(".complaint").waitFor();

	await field(page, "repeat").locator("input").fill(password);
	await page.getByRole("button", { name: "Set the password" }).click();
	await field(page, "code").locator(".complaint").waitFor();
	assert.equal(await page.getByLabel("Setup code").evaluate((e) => e === document.activeElement), true);

	await page.getByLabel("Setup code").fill(` ${body.code} `);
	await page.getByRole("button", { name: "Set the password" }).click();
	await page.getByRole("heading", { name: "Forwards" }).waitFor();
	await page.locator(".strip-good", { hasText: "The kernel matches the configuration" }).waitFor();
}

async function pickDevices(page) {
	await page.getByRole("heading", { name: "Which side is which?" }).waitFor();
	const device = (name) => page.locator(`[data-device="${name}"]`);
	await device("eth0").getByText("192.0.2.1/24").waitFor();
	await shot(page, "devices");
	await everythingNamed(page);
	await device("eth0").getByRole("button", { name: "This is the internet" }).click();
	await device("eth0").getByText("Internet", { exact: true }).waitFor();
	await device("br-lan").getByRole("button", { name: "This is home" }).click();
	await page.getByRole("heading", { name: "Which side is which?" }).waitFor({ state: "detached" });
	const { uplinks, networks } = (await api("GET", "/config")).body;
	assert.deepEqual(uplinks.map((u) => [u.name, u.device]), [["internet", "eth0"]]);
	assert.deepEqual(networks.map((n) => [n.name, n.devices]), [["home", ["br-lan"]]]);
}

async function addForward(page) {
	await page.getByRole("link", { name: "Add a forward" }).first().click();
	await page.getByLabel("Name").fill("game server");
	await field(page, "external_ports").locator("input").fill("no port");
	await field(page, "internal_address").locator("input").fill("192.168.0.2");
	await page.getByRole("button", { name: "Save" }).click();

	const wrong = field(page, "external_ports");
	await wrong.locator(".complaint").waitFor();
	const input = wrong.locator("input");
	assert.equal(await input.getAttribute("aria-invalid"), "true");
	assert.equal(await input.evaluate((e) => e === document.activeElement), true);
	assert((await input.getAttribute("aria-describedby")).includes(await wrong.locator(".complaint").getAttribute("id")));
	await shot(page, "wrong-entry");

	await input.fill("9999");
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByRole("heading", { name: "game server is ready" }).waitFor();
	assert.equal(await page.locator(".share output").textContent(), "192.0.2.1:9999");
	await shot(page, "ready");
	await page.getByRole("button", { name: "Done" }).click();
	await row(page, "game server").getByText("Live").waitFor();

	for (const protocol of ["tcp", "udp"]) {
		const seen = await ask("internet", "192.0.2.1", 9999, protocol);
		assert.deepEqual([seen.outcome, seen.server, seen.peer], ["answer", "backend", "203.0.113.200"], protocol);
	}
	assert.equal((await ask("client", "192.0.2.1", 9999)).server, "backend", "from inside, by the public address");
}

// The number on the page follows the kernel's without a reload.
async function seeConnections(page) {
	const count = async () => Number(await row(page, "game server").locator(".cell-connections .mono").textContent());
	await until(async () => (await count()) >= 2, "the connections that were made are shown");
	const before = await count();
	await ask("internet", "192.0.2.1", 9999);
	await until(async () => (await count()) > before, "one more connection is shown");
	await shot(page, "forwards");
}

async function switchOffAndOn(page) {
	const toggle = row(page, "game server").getByRole("switch");
	await toggle.click();
	await row(page, "game server").getByText("Off", { exact: true }).waitFor();
	assert.notEqual((await ask("internet", "192.0.2.1", 9999)).outcome, "answer");
	await toggle.click();
	await row(page, "game server").getByText("Live").waitFor();
	assert.equal((await ask("internet", "192.0.2.1", 9999)).outcome, "answer");
}

async function editPort(page) {
	await row(page, "game server").getByRole("link", { name: "game server", exact: true }).click();
	await field(page, "external_ports").locator("input").fill("7777");
	await page.getByText("More", { exact: true }).click();
	await field(page, "internal_ports").locator("input").fill("9998");
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByRole("dialog").waitFor({ state: "detached" });
	await row(page, "game server").getByText("7777").waitFor();
	const seen = await ask("internet", "192.0.2.1", 7777);
	assert.deepEqual([seen.outcome, seen.local_port], ["answer", 9998]);
	assert.notEqual((await ask("internet", "192.0.2.1", 9999)).outcome, "answer", "the former port");
}

async function deleteAndUndo(page) {
	await row(page, "game server").getByRole("button", { name: "Delete game server" }).click();
	await row(page, "game server").waitFor({ state: "detached" });
	assert.notEqual((await ask("internet", "192.0.2.1", 7777)).outcome, "answer");
	await page.getByRole("button", { name: "Undo" }).click();
	await row(page, "game server").getByText("Live").waitFor();
	assert.equal((await ask("internet", "192.0.2.1", 7777)).outcome, "answer");
}

async function leaveAndComeBack(page) {
	await page.getByRole("button", { name: "Log out" }).click();
	await page.getByRole("heading", { name: "Log in" }).waitFor();
	await page.getByLabel("Password").fill("not the password");
	await page.getByRole("button", { name: "Log in" }).click();
	await page.locator(".form-trouble").waitFor();
	await page.getByText("Forgotten the password?").click();
	await page.getByText("portico password", { exact: true }).waitFor();
	await shot(page, "login");
	await logIn(page);
	await row(page, "game server").waitFor();
}
