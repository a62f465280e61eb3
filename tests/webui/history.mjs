// SPDX-License-Identifier: GPL-2.0-or-later
// The history: who changed what, in words; the difference between any two; the way back. And tokens.

import assert from "node:assert/strict";
import { api, ask, everythingNamed, logIn, noSidewaysScroll, open, shot, story, until } from "./browser.mjs";

const show = (page, view) => page.locator("nav").getByRole("link", { name: view }).click();
const revisionRow = (page, number) => page.locator(`tr[data-revision="${number}"]`);
const dialog = (page) => page.getByRole("dialog");
const revision = async () => (await api("GET", "/status")).body.revision;

async function close(page) {
	await dialog(page).getByRole("button", { name: "Close" }).click();
	await dialog(page).waitFor({ state: "detached" });
}

await story(async () => {
	const page = await open();
	await logIn(page);
	await list(page);
	await one(page);
	await restore(page);
	await kept(page);
	await older(page);
	await tokens(page);
	await phone();
});

async function list(page) {
	await api("POST", "/forwards", { name: "web", external_ports: "9999", internal_address: "192.168.0.2" });
	await api("POST", "/forwards", { name: "mail", external_ports: "25", internal_address: "192.168.0.3" });
	await show(page, "History");
	await page.getByRole("heading", { name: "History" }).waitFor();
	const at = await revision();
	await revisionRow(page, at).getByText("Forward mail added").waitFor();
	await revisionRow(page, at).getByText("The router's shell").waitFor();
	await revisionRow(page, at).getByText("Now", { exact: true }).waitFor();
	assert.equal(await revisionRow(page, at - 1).getByText("Now", { exact: true }).count(), 0);
	// What somebody else changes meanwhile comes by itself.
	const { body } = await api("GET", "/forwards");
	const web = body.items.find(({ name }) => name === "web");
	await api("PATCH", `/forwards/${web.id}`, { external_ports: "7777", internal_ports: "9999", sources: ["203.0.113.0/24"] });
	await revisionRow(page, at + 1).getByText("Forward web changed").waitFor();
	await api("DELETE", `/forwards/${web.id + 1}`);
	await revisionRow(page, at + 2).getByText("Forward mail removed").waitFor();
	await shot(page, "history");
	await everythingNamed(page);
}

async function one(page) {
	const at = await revision();
	await revisionRow(page, at - 1).getByRole("link").click();
	await page.getByRole("heading", { name: `Revision ${at - 1}` }).waitFor();
	const line = (label) => dialog(page).getByRole("row", { name: label });
	await dialog(page).getByRole("heading", { name: "Forward web changed" }).waitFor();
	assert.equal(await line("Port ").first().textContent(), "Port99997777");
	assert.equal(await line("Who may connect").textContent(), "Who may connect(nothing)203.0.113.0/24");
	await everythingNamed(page);
	await shot(page, "revision");

	await dialog(page).getByLabel("Compare", { exact: true }).check();
	await dialog(page).getByRole("heading", { name: "Forward mail removed" }).waitFor();
	assert.equal(await dialog(page).locator(".change").count(), 1);
	await dialog(page).getByLabel("Compared with").selectOption(String(at - 2));
	await dialog(page).getByRole("heading", { name: "Forward web changed" }).waitFor();
	assert.equal(await line("Port ").first().textContent(), "Port77779999", "from this one to that one");
	await shot(page, "revision-compared");
	await close(page);

	// The present one needs no way back.
	await revisionRow(page, at).getByRole("link").click();
	await dialog(page).getByRole("heading", { name: "Forward mail removed" }).waitFor();
	assert.equal(await dialog(page).getByRole("button", { name: "Restore this" }).count(), 0);
	await page.keyboard.press("Escape");
	await dialog(page).waitFor({ state: "detached" });
}

async function restore(page) {
	const at = await revision();
	assert.notEqual((await ask("internet", "192.0.2.1", 9999)).outcome, "answer");
	await revisionRow(page, at - 2).getByRole("link").click();
	await dialog(page).getByRole("button", { name: "Restore this" }).click();
	await page.locator(".notice", { hasText: `Revision ${at - 2} is back, as revision ${at + 1}.` }).waitFor();
	await dialog(page).waitFor({ state: "detached" });
	await revisionRow(page, at + 1).getByText(`Restored revision ${at - 2}`).waitFor();
	await revisionRow(page, at + 1).getByText("admin", { exact: true }).waitFor();
	assert.equal((await ask("internet", "192.0.2.1", 9999)).outcome, "answer", "what was restored is in force");
	const names = (await api("GET", "/forwards")).body.items.map(({ name }) => name);
	assert.deepEqual(names, ["web", "mail"]);
}

async function kept(page) {
	const at = await revision();
	const words = "Kept, after a trial, by: The router's shell";
	await api("PATCH", "/forwards/1?confirm_within_s=600", { comment: "on trial" });
	await revisionRow(page, at + 1).getByText("on trial", { exact: true }).waitFor();
	assert.equal(await revisionRow(page, at + 1).getByText("Kept").count(), 0);
	await api("POST", "/confirm");
	await revisionRow(page, at + 1).getByText(words).waitFor();
	await revisionRow(page, at + 1).getByRole("link").click();
	await dialog(page).getByText(words).waitFor();
	await shot(page, "revision-kept");
	await close(page);
}

async function older(page) {
	for (let i = 0; i < 55; i++)
		await api("PATCH", "/forwards/1", { comment: `change ${i}` });
	const at = await revision();
	await revisionRow(page, at).waitFor();
	await page.reload();
	await revisionRow(page, at).waitFor();
	assert.equal(await page.locator("tr[data-revision]").count(), 50);
	await page.getByRole("button", { name: "Older ones" }).click();
	await revisionRow(page, 1).waitFor();
	assert.equal(await page.locator("tr[data-revision]").count(), at);
	assert.equal(await page.getByRole("button", { name: "Older ones" }).count(), 0);
	await api("PATCH", "/forwards/1", { comment: "one more" });
	await revisionRow(page, at + 1).waitFor();
	assert.equal(await page.locator("tr[data-revision]").count(), at + 1, "those that were shown are still there");
}

async function tokens(page) {
	await show(page, "Settings");
	await page.getByRole("heading", { name: "Tokens" }).waitFor();
	const form = page.locator(".tokens");
	await form.getByLabel("Name").fill(" ");
	await form.getByRole("button", { name: "Make a token" }).click();
	await form.locator(".complaint").waitFor();
	await form.getByLabel("Name").fill("prometheus");
	await form.getByRole("button", { name: "Make a token" }).click();
	const secret = await form.locator(".share output").textContent();
	assert.match(secret, /^portico_[0-9a-f]{64}$/);
	await shot(page, "tokens");
	await form.locator('tr[data-name="prometheus"]').getByText("Only read").waitFor();
	const listed = (await api("GET", "/tokens")).body.items;
	assert.deepEqual(listed.map(({ name, role }) => [name, role]), [["prometheus", "viewer"]]);
	await form.getByLabel("Name").fill("ansible");
	await form.getByLabel("Do everything").check();
	await form.getByRole("button", { name: "Make a token" }).click();
	await form.locator('tr[data-name="ansible"]').getByText("Do everything").waitFor();
	await everythingNamed(page);
	await form.getByRole("button", { name: "Delete prometheus" }).click();
	await form.locator('tr[data-name="prometheus"]').waitFor({ state: "detached" });
	await until(async () => (await api("GET", "/tokens")).body.items.length === 1, "it is gone");
}

async function phone() {
	const page = await open({ viewport: { width: 360, height: 780 }, hasTouch: true, isMobile: true });
	await logIn(page);
	await page.goto(`${page.url().split("#")[0]}#/history`);
	const at = await revision();
	await revisionRow(page, at).waitFor();
	await noSidewaysScroll(page);
	await shot(page, "history-phone");
	await page.goto(`${page.url().split("#")[0]}#/history/${at - 56}`);
	await dialog(page).getByLabel("Compare", { exact: true }).check();
	await dialog(page).locator(".change").first().waitFor();
	await noSidewaysScroll(page);
	await shot(page, "revision-phone");
	await page.goto(`${page.url().split("#")[0]}#/settings`);
	await page.getByRole("heading", { name: "Tokens" }).waitFor();
	await noSidewaysScroll(page);
}
