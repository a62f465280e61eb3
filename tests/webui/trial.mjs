// SPDX-License-Identifier: GPL-2.0-or-later
// Changes on trial: kept, undone, forgotten, made over a network that then fails, kept by themselves, seen by two.

import assert from "node:assert/strict";
import { api, ask, close, everythingNamed, field, logIn, noSidewaysScroll, open, row, shot, story, until } from "./browser.mjs";

const bar = (page) => page.getByRole("region", { name: "A change on trial" });
const notice = (page, text) => page.locator(".notice", { hasText: text });
const toggle = (page) => row(page, "web").getByRole("switch").click();
const trial = async () => (await api("GET", "/status")).body.trial;
const enabled = async () => (await api("GET", "/forwards")).body.items[0].enabled;
const newest = async () => (await api("GET", "/revisions?limit=1")).body.items[0];

// How long a trial lasts is the browser's to remember; nobody waits for a minute here.
const lasts = (page, seconds) => page.evaluate((s) => localStorage.setItem("portico.ask", s), String(seconds));

async function gone(page, text) {
	await bar(page).waitFor({ state: "detached" });
	await notice(page, text).waitFor();
	await notice(page, text).getByRole("button", { name: "Dismiss" }).click();
	assert.equal(await trial(), null);
}

await story(async () => {
	const page = await open();
	await logIn(page);
	await keep(page);
	await undo(page);
	await forget(page);
	await loseTheNetwork(page);
	await comeBackLater(page);
	await keepByItself(page);
	await two(page);
	await phone();
});

async function keep(page) {
	await page.getByRole("link", { name: "Add a forward" }).first().click();
	await field(page, "name").locator("input").fill("web");
	await field(page, "external_ports").locator("input").fill("9999");
	await field(page, "internal_address").locator("input").fill("192.168.0.2");
	await page.getByLabel("Ask me to keep this change").check();
	await shot(page, "trial-ask");
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByRole("heading", { name: "web is ready" }).waitFor();
	await page.getByRole("button", { name: "Done" }).click();
	await bar(page).getByText("The router can still be reached.").waitFor();
	const { remaining_s, confirmed_revision } = await trial();
	assert(remaining_s > 30 && remaining_s <= 60);
	assert.match(await bar(page).getByRole("timer").textContent(), /^\d\d s$/);
	assert.equal((await ask("internet", "192.0.2.1", 9999)).outcome, "answer", "it is in force");
	await everythingNamed(page);
	await shot(page, "trial");
	await bar(page).getByRole("button", { name: "Keep", exact: true }).click();
	await gone(page, "The change is kept.");
	assert.equal((await newest()).number, confirmed_revision + 1);
}

// What is remembered holds for every change, also those without a form.
async function undo(page) {
	await toggle(page);
	await row(page, "web").getByText("Off", { exact: true }).waitFor();
	await bar(page).waitFor();
	assert.equal(await enabled(), false);
	const { confirmed_revision } = await trial();
	await bar(page).getByRole("button", { name: "Undo now" }).click();
	await gone(page, "The change is undone.");
	await row(page, "web").getByText("Live").waitFor();
	assert.equal((await newest()).reason, `restore of ${confirmed_revision}`);
	assert.equal((await ask("internet", "192.0.2.1", 9999)).outcome, "answer");
}

async function forget(page) {
	await lasts(page, 3);
	await toggle(page);
	await bar(page).waitFor();
	await gone(page, "Nobody kept the change in time");
	await row(page, "web").getByText("Live").waitFor();
	assert.equal((await newest()).author, "expiry");
}

// The page cannot reach the router any more, so it confirms nothing, and tells afterwards what became of it.
async function loseTheNetwork(page) {
	await lasts(page, 6);
	await page.getByRole("region", { name: "State of the router" }).waitFor();
	const answered = page.waitForResponse((response) => response.request().method() === "PATCH");
	await page.route("**/api/v1/status", (route) => route.abort("internetdisconnected"));
	await toggle(page);
	await answered;
	await bar(page).getByText("The router does not answer. It undoes the change by itself.").waitFor();
	await page.context().setOffline(true);
	const button = bar(page).getByRole("button", { name: "Keep", exact: true });
	assert.equal(await button.getAttribute("aria-disabled"), "true");
	await shot(page, "trial-unreached");
	await until(async () => (await trial()) === null, "the router takes it back");
	await page.unroute("**/api/v1/status");
	await page.context().setOffline(false);
	await gone(page, "Nobody kept the change in time");
	await row(page, "web").getByText("Live").waitFor();
	await page.locator(".strip-good").waitFor();
}

// A reload in the midst forgets nothing.
async function comeBackLater(page) {
	await lasts(page, 60);
	await toggle(page);
	await bar(page).waitFor();
	await page.reload();
	await bar(page).getByText("The router can still be reached.").waitFor();
	await bar(page).getByRole("button", { name: "Undo now" }).click();
	await gone(page, "The change is undone.");
	await row(page, "web").getByText("Live").waitFor();
}

async function keepByItself(page) {
	await toggle(page);
	await bar(page).getByLabel("Keep my changes by themselves").click(); // it takes the bar away
	await gone(page, "The change is kept.");
	assert.equal(await enabled(), false);
	await toggle(page);
	await gone(page, "The change is kept.");
	await until(enabled, "it is on again");
	await toggle(page);
	await gone(page, "The change is kept.");
	await toggle(page);
	await gone(page, "The change is kept.");
	await row(page, "web").getByText("Live").waitFor();
}

// Only who made a change has it kept by itself; but everybody sees it, and may keep it.
async function two(page) {
	const other = await open();
	await logIn(other);
	await other.evaluate(() => localStorage.setItem("portico.ask", "60"));
	await other.reload();
	await other.locator(".strip-good").waitFor();
	await row(other, "web").getByRole("switch").click();
	await bar(other).getByText("The router can still be reached.").waitFor();
	await bar(page).getByText("The router can still be reached.").waitFor();
	assert((await trial()) !== null, "the first window keeps only its own");
	await bar(page).getByRole("button", { name: "Keep", exact: true }).click();
	await gone(page, "The change is kept.");
	await gone(other, "The change is kept.");
	await close(other);
}

async function phone() {
	const page = await open({ viewport: { width: 360, height: 780 }, hasTouch: true, isMobile: true, colorScheme: "dark" });
	await logIn(page);
	await page.evaluate(() => localStorage.setItem("portico.ask", "60"));
	await page.reload();
	await row(page, "web").getByRole("switch").click();
	await bar(page).getByText("The router can still be reached.").waitFor();
	await noSidewaysScroll(page);
	await shot(page, "trial-phone");
	await bar(page).getByRole("button", { name: "Undo now" }).click();
	await gone(page, "The change is undone.");
	await page.goto(`${page.url().split("#")[0]}#/forwards/new`);
	await page.getByLabel("Ask me to keep this change").uncheck();
	await noSidewaysScroll(page);
	await shot(page, "trial-ask-phone");
	assert.equal(await page.evaluate(() => localStorage.getItem("portico.ask")), null);
}
