// SPDX-License-Identifier: GPL-2.0-or-later
// What happens elsewhere is seen without a reload: an uplink that fails, a kernel that somebody changed,
// another administrator.

import assert from "node:assert/strict";
import { api, ask, close, field, logIn, open, password, row, run, shot, story, until } from "./browser.mjs";

const forward = { name: "web", external_ports: "9999", internal_address: "192.168.0.2", uplinks: ["isp2"] };

await story(async () => {
	assert.equal((await api("POST", "/forwards", forward)).status, 201);
	const page = await open();
	await logIn(page);
	await uplinkFails(page);
	await kernelChanged(page);
	await firewallBeside(page);
	await followed(page);
	await hidden(page);
	await otherAdministrator(page);
	await routerAway(page);
	await settings(page);
	await overtaken();
	await withoutStream();
	await kernelRefuses();
	await nothingCanBeChanged();
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
	await page.locator(".notice-warn", { hasText: "Somebody changed the kernel" }).waitFor();
	await page.locator(".strip-good").waitFor();
	const list = await page.locator(".table").boundingBox();
	await page.locator(".strip-note summary", { hasText: "Put right" }).click();
	const { last_found } = (await api("GET", "/status")).body.kernel;
	assert(last_found.length > 0);
	await page.locator(".strip-found li", { hasText: last_found[0].slice(1) }).waitFor();
	assert.deepEqual(await page.locator(".table").boundingBox(), list, "what is below does not move");
	await shot(page, "mended");
	await page.locator(".strip-note summary").click();
	assert.equal((await ask("internet", "198.51.100.1", 9999)).outcome, "answer");
}

// Another firewall that drops what forwards let in: said in plain words, with what to do.
async function firewallBeside(page) {
	await run("router", "nft add table inet fw4");
	await run("router", "nft add chain inet fw4 forward { type filter hook forward priority 0 ; policy drop ; }");
	await page.locator(".strip-bad", { hasText: "Forwards do not get through OpenWrt's firewall" }).waitFor();
	await page.locator(".strip-troubles code", { hasText: "fw4 reload" }).waitFor();
	await shot(page, "beside-fw4");
	await run("router", "nft delete table inet fw4");
	await page.locator(".strip-good", { hasText: "The kernel matches" }).waitFor();
}

// Somebody else's changes are shown by what the daemon tells: the list is not asked for again.
async function followed(page) {
	const asked = [];
	const note = (request) => asked.push(new URL(request.url()).pathname);
	page.on("request", note);
	const { body: { id } } = await api("POST", "/forwards", { name: "theirs", external_ports: "9998",
		internal_address: "192.168.0.2" });
	await row(page, "theirs").getByText("Live").waitFor();
	await ask("internet", "192.0.2.1", 9998);
	await row(page, "theirs").locator(".cell-connections").getByText("1", { exact: true }).waitFor();
	await api("PATCH", `/forwards/${id}`, { name: "renamed", external_ports: "9996-9998", pinhole: false });
	await row(page, "renamed").getByText("9996-9998").waitFor();
	await api("PATCH", `/forwards/${id}`, { enabled: false });
	await row(page, "renamed").getByText("Off", { exact: true }).waitFor();
	await api("DELETE", `/forwards/${id}`);
	await row(page, "renamed").waitFor({ state: "detached" });
	page.off("request", note);
	const small = [`/api/v1/forwards/${id}`, "/api/v1/status"];
	assert.deepEqual(asked.filter((path) => !small.includes(path)), [], "nothing else is asked for");
}

// A tab that nobody looks at asks for nothing, and is up to date when somebody looks again.
async function hidden(page) {
	const look = (state) => page.evaluate((value) => {
		Object.defineProperty(document, "visibilityState", { value, configurable: true });
		document.dispatchEvent(new Event("visibilitychange"));
	}, state);
	const closed = page.waitForEvent("requestfailed", (request) => request.url().includes("/events"));
	await look("hidden");
	await closed;
	const { body: { id } } = await api("POST", "/forwards", { name: "unseen", external_ports: "1", internal_address: "192.168.0.3" });
	assert.equal(await row(page, "unseen").count(), 0);
	await look("visible");
	await row(page, "unseen").waitFor();
	await api("DELETE", `/forwards/${id}`);
	await row(page, "unseen").waitFor({ state: "detached" });
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

// An answer that is older than what the daemon told meanwhile does not bring back what has gone.
async function overtaken() {
	const { body: { id } } = await api("POST", "/forwards", { name: "gone", external_ports: "3", internal_address: "192.168.0.3" });
	const page = await open();
	let release;
	const held = new Promise((done) => (release = done));
	await page.route("**/api/v1/forwards", async (route) => {
		const response = await route.fetch();
		if (release)
			await api("DELETE", `/forwards/${id}`);
		await held;
		await route.fulfill({ response });
	});
	await page.getByLabel("Password").fill(password);
	await page.getByRole("button", { name: "Log in" }).click();
	await until(async () => !(await api("GET", "/forwards")).body.items.some(({ name }) => name === "gone"), "it has gone");
	const { revision } = (await api("GET", "/status")).body;
	await page.locator(".about", { hasText: `revision ${revision}` }).waitFor();
	release();
	await row(page, "web").waitFor();
	assert.equal(await row(page, "gone").count(), 0);
	await page.unrouteAll({ behavior: "ignoreErrors" });
	await close(page);
}

// A daemon that has no stream to give is asked again and again.
async function withoutStream() {
	const page = await open();
	await page.route("**/api/v1/events*", (route) => route.fulfill({ status: 503 }));
	await logIn(page);
	await api("POST", "/forwards", { name: "polled", external_ports: "2", internal_address: "192.168.0.3" });
	await row(page, "polled").waitFor();
	await close(page);
}

// What a kernel says that takes nothing: here the answers are made up.
async function kernelRefuses() {
	const page = await open();
	await page.route("**/api/v1/events*", (route) => route.fulfill({ status: 503 }));
	await page.route("**/api/v1/status", async (route) => {
		const response = await route.fetch();
		const status = await response.json();
		Object.assign(status.kernel, { in_sync: false, retry_in_s: 32.4, last_error: "no such device",
			failures: [{ step: "nft add rule inet portico mark_in", message: "no such device <eth9>" }] });
		await route.fulfill({ response, json: status });
	});
	await page.getByLabel("Password").fill(password);
	await page.getByRole("button", { name: "Log in" }).click();
	const strip = page.locator(".strip-bad", { hasText: "The kernel does not match the configuration" });
	await strip.getByText("No such device <eth9>.").waitFor();
	await strip.getByText("nft add rule inet portico mark_in").waitFor();
	await strip.getByText(/tries again in 3\d seconds\./).waitFor();
	await shot(page, "kernel-refuses");
	await close(page);
}

// Neither can a disk be made read-only here.
async function nothingCanBeChanged() {
	const page = await open();
	await page.route("**/api/v1/status", async (route) => {
		const response = await route.fetch();
		const status = await response.json();
		status.database.failure = "cannot write the database <b>: it is read-only; once that is mended, restart porticod";
		await route.fulfill({ response, json: status });
	});
	await page.getByLabel("Password").fill(password);
	await page.getByRole("button", { name: "Log in" }).click();
	const strip = page.locator(".strip-bad", { hasText: "Nothing can be changed" });
	await strip.getByText("Cannot write the database <b>: it is read-only; once that is mended, restart porticod.").waitFor();
	await shot(page, "nothing-can-be-changed");
	await close(page);
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
