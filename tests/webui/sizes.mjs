// SPDX-License-Identifier: GPL-2.0-or-later
// On a phone, in the dark, and with ten thousand forwards.

import assert from "node:assert/strict";
import { api, ask, close, everythingNamed, field, logIn, noSidewaysScroll, open, row, shot, story } from "./browser.mjs";

// Hours of a day that is neither today nor beside it.
function closedNow() {
	const day = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"][(new Date().getDay() + 3) % 7];
	return `${day} 08:00-12:30, ${day} 13:00-18:00`;
}

const some = [
	{ name: "web", external_ports: "80,443", internal_address: "192.168.0.2", comment: "the photos" },
	{ name: "game server", external_ports: "25565", internal_address: "192.168.0.3", protocols: ["tcp", "udp"] },
	{ name: "camera", external_ports: "8000-8100", internal_ports: "9000-9100", internal_address: "192.168.0.4",
		sources: ["203.0.113.0/24"] },
	{ name: "wireguard", external_ports: "51820", internal_address: "192.168.0.2", protocols: ["udp"] },
	{ name: "old game", external_ports: "7777", internal_address: "192.168.0.3", enabled: false },
	{ name: "ipv6 web", external_ports: "443", internal_address: "fd00:db8::1234:5678:9abc:def0" },
	{ name: "storage", external_ports: "443,8000-65535", internal_address: "::21:34ff:fe56:789a/-64", pinhole: true,
		protocols: ["tcp", "udp", "sctp"] },
	{ name: "office", external_ports: "3389,5900-5909", internal_ports: "3389,5901-5910", internal_address: "192.168.0.5",
		schedule: closedNow(), uplinks: ["isp2"] },
];
const views = ["Forwards", "Uplinks", "Policies", "Networks", "Redirects", "Source NAT", "History", "Backup", "Settings"];

// One that answers and one that does not: every colour of a state is there to be looked at.
const uplinks = [
	{ name: "isp1", device: "eth0", health: { targets: ["192.0.2.254"], interval_ms: 500 } },
	{ name: "isp2", device: "eth1", tier: 2, health: { targets: ["198.51.100.77", "198.51.100.78"], interval_ms: 500 } },
	{ name: "lte", device: "wwan0", tier: 3 },
];
const policies = [
	{ name: "telephony", protocol: "udp", ports: "5060,10000-20000", uplinks: ["isp2", "isp1"] },
	{ name: "only by lte", sources: ["192.168.0.64/26", "192.168.0.200"], uplinks: ["lte"], otherwise: "unreachable" },
];

await story(async () => {
	const config = (await api("GET", "/config")).body;
	assert.equal((await api("PUT", "/config", { ...config, uplinks, policies })).status, 200);
	for (const forward of some)
		assert.equal((await api("POST", "/forwards", forward)).status, 201);
	for (const port of [80, 443, 443, 25565, 25565, 8000])
		await ask("internet", "192.0.2.1", port); // so that the pictures show connections
	await phone();
	await desktop("light");
	await desktop("dark");
	await many();
});

async function phone() {
	const page = await open({ viewport: { width: 360, height: 780 }, hasTouch: true, isMobile: true });
	await noSidewaysScroll(page);
	await logIn(page);
	await row(page, "camera").waitFor();
	await shot(page, "phone");
	for (const view of views) {
		await page.getByRole("button", { name: "Menu" }).click();
		await page.locator("nav").getByRole("link", { name: view }).click();
		await page.getByRole("heading", { name: view, exact: true }).waitFor();
		await noSidewaysScroll(page);
		await everythingNamed(page);
	}
	await page.goto(`${page.url().split("#")[0]}#/forwards/new`);
	await page.getByText("More", { exact: true }).click();
	await page.getByRole("button", { name: "Set hours" }).click();
	await shot(page, "phone-hours");
	await noSidewaysScroll(page);
	const inside = await page.evaluate(() => {
		const sheet = document.querySelector(".form-body");
		return sheet.scrollWidth <= sheet.clientWidth;
	});
	assert(inside, "the form scrolls sideways");
	await page.getByText("More", { exact: true }).click();
	await page.locator(".form-body").evaluate((e) => e.scrollTo(0, 0));
	await shot(page, "phone-add");
	await close(page);
}

async function desktop(colorScheme) {
	const page = await open({ colorScheme });
	await logIn(page);
	await row(page, "camera").waitFor();
	await page.setViewportSize({ width: 1280, height: 860 });
	await page.mouse.move(0, 0);
	await shot(page, `desktop-${colorScheme}`);
	for (const width of [1261, 1260, 1001, 1000, 641, 640]) {
		await page.setViewportSize({ width, height: 800 });
		await noSidewaysScroll(page);
	}
	await page.setViewportSize({ width: 1280, height: 800 });
	for (const view of views) {
		await page.locator("nav").getByRole("link", { name: view }).click();
		await page.getByRole("heading", { name: view, exact: true }).waitFor();
		await noSidewaysScroll(page);
		await contrast(page);
		if (["Uplinks", "Policies"].includes(view))
			await shot(page, `${view.toLowerCase()}-${colorScheme}`);
	}
	await page.locator("nav").getByRole("link", { name: "Forwards" }).click();
	await row(page, "office").getByRole("link", { name: "office", exact: true }).click();
	await page.getByText("More", { exact: true }).click();
	await field(page, "hairpin").evaluate((e) => e.scrollIntoView());
	await contrast(page);
	await shot(page, `editor-${colorScheme}`);
	await close(page);
}

// WCAG 2.1, 1.4.3: 4.5 to 1 for text. Only plain colours are used, so the nearest opaque background counts.
async function contrast(page) {
	const faint = await page.evaluate(() => {
		const parse = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
		const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
			.map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
			.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
		const ground = (e) => {
			for (; e; e = e.parentElement) {
				const colour = parse(getComputedStyle(e).backgroundColor);
				if (colour.length === 3 || colour[3] === 1)
					return colour;
			}
			return [255, 255, 255];
		};
		return [...document.querySelectorAll("#app *")]
			.filter((e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
			.map((e) => {
				const [a, b] = [luminance(parse(getComputedStyle(e).color)), luminance(ground(e))].sort((x, y) => y - x);
				return [(a + 0.05) / (b + 0.05), e.textContent];
			})
			.filter(([ratio]) => ratio < 4.5);
	});
	assert.deepEqual(faint, [], "text with too little contrast");
}

// What scripts took since the last time it was asked, garbage included, and what they hold.
async function meter(page) {
	const session = await page.context().newCDPSession(page);
	await session.send("Profiler.enable");
	await session.send("Profiler.start");
	let begun = Date.now();
	return async (what) => {
		const wall = Date.now() - begun;
		const { profile } = await session.send("Profiler.stop");
		const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame.functionName]));
		const script = profile.samples.reduce((sum, id, i) =>
			sum + (["(idle)", "(program)", "(root)"].includes(names.get(id)) ? 0 : profile.timeDeltas[i] / 1000), 0);
		await session.send("HeapProfiler.collectGarbage");
		const heap = (await session.send("Runtime.getHeapUsage")).usedSize / 2 ** 20;
		console.error(`${what}: scripting ${Math.round(script)} ms, heap ${heap.toFixed(1)} MiB, ${wall} ms by the clock`);
		await session.send("Profiler.start");
		begun = Date.now();
		return { script, heap };
	};
}

async function many() {
	const forwards = Array.from({ length: 10_000 }, (_, i) => ({
		name: `bulk ${i}`, external_ports: String(10_000 + i), internal_address: `192.168.${i >> 8}.${i & 255 || 1}`,
	}));
	const config = (await api("GET", "/config")).body;
	assert.equal((await api("PUT", "/config", { ...config, forwards })).status, 200);
	const page = await open();
	const cost = await meter(page);
	await cost("before");
	await logIn(page);
	await page.locator(".pager", { hasText: "1–50 of 10,000" }).waitFor();
	assert.equal(await page.locator("tbody tr").count(), 50);
	const loaded = await cost("10,000 forwards, read and shown");
	assert(loaded.heap < 64, "memory of the page");

	await page.getByRole("button", { name: "Next page" }).click();
	await page.locator(".pager", { hasText: "51–100 of 10,000" }).waitFor();
	await cost("next page");
	await page.getByRole("button", { name: "Goes to" }).click();
	await page.locator("tbody tr").first().getByText("192.168.0.1", { exact: true }).waitFor();
	await cost("sorted");
	await page.getByLabel("Filter").fill("bulk 9999");
	await row(page, "bulk 9999").waitFor();
	assert.equal(await page.locator("tbody tr").count(), 1);
	const searched = await cost("searched");
	assert(searched.script < 500, "a search is felt");
	await shot(page, "many");

	await ask("internet", "192.0.2.1", 19_999);
	await row(page, "bulk 9999").locator(".cell-connections").getByText("1", { exact: true }).waitFor();
	await cost("one connection more");
	const { id } = (await api("GET", "/forwards")).body.items.find(({ name }) => name === "bulk 9999");
	await api("PATCH", `/forwards/${id}`, { comment: "by another client" });
	await row(page, "bulk 9999").getByText("by another client").waitFor();
	const changed = await cost("one changed by another client");
	assert(changed.script < 500, "one change costs what all do");

	await row(page, "bulk 9999").getByRole("link", { name: "bulk 9999", exact: true }).click();
	await field(page, "external_ports").locator("input").fill("9");
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByRole("dialog").waitFor({ state: "detached" });
	await row(page, "bulk 9999").locator(".cell-outside").getByText("9", { exact: true }).waitFor();
	await cost("one changed here");
}
