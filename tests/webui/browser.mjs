// SPDX-License-Identifier: GPL-2.0-or-later
// For the stories in this directory: a browser on the page, and questions to the lab, which test_page.py
// answers: one line of JSON out, one line in.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "../../webui/node_modules/playwright-core/index.mjs";

export const base = process.env.PAGE_URL;
export const password = process.env.PAGE_PASSWORD;
const screenshots = process.env.PAGE_SCREENSHOTS;
const patienceMs = 20_000; // a daemon with sanitizers on a busy machine

// --- the lab ---

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function lab(question) {
	process.stdout.write(`${JSON.stringify(question)}\n`);
	const { value, done } = await lines.next();
	assert(!done, "the lab has gone");
	const answer = JSON.parse(value);
	assert(!answer.error, answer.error);
	return answer;
}

// A packet from `host` of the lab: {"outcome": "answer", "server", "peer", "local_port"}, or "refused", "silence".
export const ask = (host, address, port, protocol = "tcp") => lab({ do: "ask", host, address, port, protocol });

// A request over the Unix socket, as somebody else would make: {"status", "body"}.
export const api = (method, path, body) => lab({ do: "api", method, path, body });

// A command on a host of the lab.
export const run = (host, command) => lab({ do: "run", host, command });

// Starts a server that answers `ask`.
export const serve = (host, port, protocol = "tcp") => lab({ do: "serve", host, port, protocol });

// --- the browser ---

const contexts = [];
let browser;

// A fresh browser window on the page; what it complains about fails the story at its end.
export async function open(options = {}) {
	browser ??= await chromium.launch({
		executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
		args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync"],
	});
	const context = await browser.newContext({
		viewport: { width: 1280, height: 800 }, ignoreHTTPSErrors: true, reducedMotion: "reduce", locale: "en-GB", ...options,
	});
	contexts.push(context);
	context.setDefaultTimeout(patienceMs);
	const page = await context.newPage();
	page.complaints = [];
	page.on("pageerror", (error) => page.complaints.push(`error: ${error.stack}`));
	page.on("console", (message) => {
		if (["error", "warning"].includes(message.type()) && !isRefusal(message) && !message.text().includes("DISCONNECTED"))
			page.complaints.push(`${message.type()}: ${message.text()} (${message.location().url})`);
	});
	await page.addInitScript(() => addEventListener("securitypolicyviolation",
		(e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`)));
	await page.goto(base);
	return page;
}

// The browser itself reports every answer of 4xx; those of the API are part of the stories.
function isRefusal(message) {
	const url = message.location().url;
	return (/status of (401|403|404|409|412|422)/.test(message.text()) && url.includes("/api/v1/"))
		|| (/status of 503/.test(message.text()) && url.includes("/api/v1/events"));
}

export async function logIn(page) {
	await page.getByLabel("Password").fill(password);
	await page.getByRole("button", { name: "Log in" }).click();
	await page.locator(".strip-good").waitFor();
}

// A window's connections stay open as long as it does, and the daemon limits them.
export async function close(page) {
	assert.deepEqual(page.complaints, [], "the browser complains");
	contexts.splice(contexts.indexOf(page.context()), 1);
	await page.context().close();
}

export async function shot(page, name) {
	mkdirSync(screenshots, { recursive: true });
	await page.screenshot({ path: join(screenshots, `${name}.png`) });
}

export const row = (page, name) => page.locator(`tr[data-name="${name}"]`);
export const field = (page, name) => page.locator(`[data-field="${name}"]`);

// Waits until `condition` gives something true.
export async function until(condition, what) {
	const deadline = Date.now() + patienceMs;
	for (;;) {
		const value = await condition();
		if (value)
			return value;
		if (Date.now() > deadline)
			assert.fail(`not within ${patienceMs} ms: ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
}

export async function noSidewaysScroll(page) {
	// Not window.innerWidth: on a phone that grows with what does not fit.
	const extra = (await page.evaluate(() => document.documentElement.scrollWidth)) - page.viewportSize().width;
	assert(extra <= 0, `${page.url()} scrolls sideways by ${extra} px`);
}

// Every control has a name that a screen reader can say.
export async function everythingNamed(page) {
	const nameless = await page.evaluate(() => [...document.querySelectorAll("button, a, input, select")]
		.filter((e) => e.checkVisibility() && !e.labels?.length && !e.getAttribute("aria-label") && !e.textContent.trim())
		.map((e) => e.outerHTML));
	assert.deepEqual(nameless, []);
}

// What a screen reader would call the element that has the focus.
export async function focused(page) {
	return page.evaluate(() => {
		const e = document.activeElement;
		const text = e.getAttribute("aria-label") ?? e.labels?.[0]?.textContent ?? e.textContent;
		return text.replace(/ optional$/, "").trim();
	});
}

// Tells a story, step by step; a failed one leaves a screenshot.
export async function story(steps) {
	try {
		await steps();
		const complaints = contexts.flatMap((c) => c.pages()).flatMap((p) => p.complaints);
		assert.deepEqual(complaints, [], "the browser complains");
	} catch (error) {
		for (const [i, p] of contexts.flatMap((c) => c.pages()).entries())
			await shot(p, `failed-${process.env.PAGE_STORY}-${i}`).catch(() => {});
		console.error(error);
		process.exitCode = 1;
	}
	await browser?.close();
	process.stdin.destroy();
}
