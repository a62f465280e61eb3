// SPDX-License-Identifier: GPL-2.0-or-later
// What happens elsewhere is seen without a reload: an uplink that fails, a kernel that somebody changed,
// another administrator.

import assert from "node:assert/strict";
import { api, ask, field, logIn, open, row, run, shot, story, until } from "./browser.mjs";

const forward = { name: "web", external_ports: "9999", internal_address: "192.168.0.2", uplinks: ["isp2"] };

await story(async () => {
	assert.equal((await api("POST", "/forwards", forward)).status, 201);
	const page = await open();
	await logIn(page);
	await uplinkFails(page);
	await kernelChanged(page);
	await otherAdministrator(page);
	await routerAway(page);
	await settings(page);
});

async function uplinkFails(page) {
	await row(page, "web").getByText("Live").waitFor();
	await page.getByRole("link", { name: "Uplinks", exact: false }).first().click();
	await row(page, "isp2").getByText("198.51.100.1").waitFor();
	await run("router", "ip link set eth1 down");
	await row(page, "isp2").locator(".badge-bad").waitFor();
	await page.locator(".strip", { hasText: "1 of 2 uplinks up" }).waitFor();
	await shot(page, "uplink-down");
	await page.locator("nav").getByRole("link", { name: "Forwards" }).click();
	await row(page, "web").getByText("Its uplink is down").waitFor();
	await run("router", "ip link set eth1 up");
	await run("router", "ip route add default via 198.51.100.254 dev eth1 metric 101"); // what went with the link
	await run("router", "ip address add 2001:db8:2::1/64 dev eth1 nodad");
	await run("router", "ip route add ::/0 via 2001:db8:2::fe dev eth1 metric 101");
	await row(page, "web").getByText("Live").waitFor();
}

async function kernelChanged(page) {
	await run("router", "nft delete table inet portico");
	await page.locator(".strip-note", { hasText: "Put right" }).waitFor();
	await page.locator(".strip-good").waitFor();
	assert.equal((await ask("internet", "198.51.100.1", 9999)).outcome, "answer");
}

async function otherAdministrator(page) {
	const { id } = (await api("GET", "/forwards")).body.items[0];
	await row(page, "web").getByRole("link", { name: "web", exact: true }).click();
	await field(page, "external_ports").locator("input").fill("9997");

	// Something else is changed meanwhile: no matter.
	await api("POST", "/forwards", { name: "other", external_ports: "1", internal_address: "192.168.0.3" });
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByRole("dialog").waitFor({ state: "detached" });
	assert.equal((await api("GET", `/forwards/${id}`)).body.external_ports, "9997");

	// The same object: both are shown, and one is chosen.
	await row(page, "web").getByRole("link", { name: "web", exact: true }).click();
	await field(page, "external_ports").locator("input").fill("9996");
	await api("PATCH", `/forwards/${id}`, { external_ports: "9995", comment: "theirs" });
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByRole("heading", { name: "Somebody else changed this" }).waitFor();
	await page.getByRole("dialog").getByRole("cell", { name: "9995" }).waitFor();
	await shot(page, "conflict");
	assert.equal((await api("GET", `/forwards/${id}`)).body.external_ports, "9995", "nothing is overwritten unseen");
	await page.getByRole("button", { name: "Keep mine" }).click();
	await page.getByRole("dialog").waitFor({ state: "detached" });
	assert.equal((await api("GET", `/forwards/${id}`)).body.external_ports, "9996");
}

async function routerAway(page) {
	await page.context().setOffline(true);
	await page.locator(".strip-bad", { hasText: "The router does not answer" }).waitFor();
	await row(page, "web").getByRole("switch").click();
	await page.locator(".notice-bad", { hasText: "does not answer" }).waitFor();
	assert.equal(await row(page, "web").getByRole("switch").isChecked(), true, "what is shown is what is so");
	await page.context().setOffline(false);
	await page.locator(".strip-good").waitFor();
}

async function settings(page) {
	await page.locator("nav").getByRole("link", { name: "Settings" }).click();
	await field(page, "history_length").locator("input").fill("3");
	await page.getByRole("button", { name: "Save" }).click();
	await field(page, "history_length").locator(".complaint").waitFor();
	await field(page, "history_length").locator("input").fill("50");
	await api("PATCH", "/settings", { manage_sysctls: false });
	await page.getByRole("button", { name: "Save" }).click();
	await page.locator(".form-trouble", { hasText: "Somebody else changed this" }).waitFor();
	assert.equal((await api("GET", "/settings")).body.history_length, 200, "nothing is overwritten unseen");
	assert.equal(await page.getByLabel("Look after kernel settings").isChecked(), false);
	await field(page, "history_length").locator("input").fill("50");
	await page.getByRole("button", { name: "Save" }).click();
	await until(async () => (await api("GET", "/settings")).body.history_length === 50, "the setting is saved");
	await shot(page, "settings");
}
