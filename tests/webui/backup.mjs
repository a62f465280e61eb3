// SPDX-License-Identifier: GPL-2.0-or-later
// The whole configuration out of the router and into it: copies, rules of others, ours elsewhere.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { api, ask, close, everythingNamed, field, logIn, noSidewaysScroll, open, password, shot, story } from "./browser.mjs";

const dialog = (page) => page.getByRole("dialog");
const section = (page, title) => page.getByRole("region", { name: title });
const notice = (page, text) => page.locator(".notice", { hasText: text }).waitFor();
const config = async () => {
	const { warnings: _, ...rest } = (await api("GET", "/config")).body;
	return rest;
};
const put = async (body) => assert.equal((await api("PUT", "/config", body)).status, 200);
const web = { name: "web", external_ports: "9999", internal_address: "192.168.0.2" };

const rules = `# the way in
WAN=eth0
BACKEND=192.168.0.2
iptables -t nat -A PREROUTING -i $WAN -p tcp --dport 9998 -j DNAT --to-destination $BACKEND
iptables -t nat -A POSTROUTING -o $WAN -j MASQUERADE
iptables -A INPUT -p tcp --dport 22 -j ACCEPT
iptables -t nat -A PREROUTING -i $WAN -p tcp --dport 25 -m hashlimit --hashlimit 5/min -j DNAT --to 192.168.0.3
`;

async function show(page) {
	await page.locator("nav").getByRole("link", { name: "Backup" }).click();
	await page.getByRole("heading", { name: "Backup" }).waitFor();
}

// What the browser is given to keep: {name, text}.
async function downloaded(page, click) {
	const [download] = await Promise.all([page.waitForEvent("download"), click()]);
	return { name: download.suggestedFilename(), text: await readFile(await download.path(), "utf8") };
}

async function keep(page, { passphrase = "", secrets = false } = {}) {
	const form = section(page, "Keep a copy");
	if (passphrase) {
		await field(form, "passphrase").locator("input").fill(passphrase);
		await field(form, "repeat").locator("input").fill(passphrase);
		await field(form, "secrets").locator("input").setChecked(secrets);
	}
	return downloaded(page, () => form.getByRole("button", { name: "Download" }).click());
}

const choose = (page, text, name = "backup.json") =>
	section(page, "Bring a copy back").getByLabel("Choose a file")
		.setInputFiles({ name, mimeType: "application/json", buffer: Buffer.from(text) });

async function restore(page) {
	await dialog(page).getByRole("button", { name: "Restore this" }).click();
	await notice(page, "is back.");
	await dialog(page).waitFor({ state: "detached" });
}

await story(async () => {
	const page = await open();
	await logIn(page);
	await show(page);
	await plain(page);
	await sealed(page);
	await otherDevices(page);
	await refused(page);
	await onTrial(page);
	await recipe(page);
	await openWrt(page);
	await uplinksThatAreThere(page);
	await elsewhere(page);
	await close(page);
	await sizes();
});

async function plain(page) {
	await api("POST", "/forwards", web);
	const before = await config();
	await everythingNamed(page);
	await shot(page, "backup");
	const { name, text } = await keep(page);
	assert.match(name, /^portico-.+-\d{4}-\d\d-\d\d\.json$/);
	await notice(page, `${name} is downloaded.`);
	assert.deepEqual(JSON.parse(text).content, { config: before }, "no secrets, and all the rest");

	await put({});
	assert.notEqual((await ask("internet", "192.0.2.1", 9999)).outcome, "answer");
	await choose(page, text);
	await dialog(page).getByRole("heading", { name: "Forward web added" }).waitFor();
	await dialog(page).getByText(/^From .+, revision \d+, made by portico /).waitFor();
	await dialog(page).getByText(/What the kernel is told/).click();
	await dialog(page).locator(".steps", { hasText: "nft" }).waitFor();
	await everythingNamed(page);
	await shot(page, "restore");
	assert.deepEqual((await config()).forwards, [], "only shown");
	await restore(page);
	assert.deepEqual(await config(), before, "ids and all");
	assert.equal((await ask("internet", "192.0.2.1", 9999)).outcome, "answer");

	// The same once more.
	await choose(page, text);
	await dialog(page).getByText("There is no difference.").waitFor();
	assert.equal(await dialog(page).getByRole("button", { name: "Restore this" }).count(), 0);
	await page.keyboard.press("Escape");
	await dialog(page).waitFor({ state: "detached" });
}

async function sealed(page) {
	const form = section(page, "Keep a copy");
	await field(form, "passphrase").locator("input").fill("one passphrase");
	await field(form, "repeat").locator("input").fill("another passphrase");
	await form.getByRole("button", { name: "Download" }).click();
	await field(form, "repeat").getByText("This is not the same passphrase.").waitFor();
	await field(form, "passphrase").locator("input").fill("short");
	await field(form, "repeat").locator("input").fill("short");
	await form.getByRole("button", { name: "Download" }).click();
	await field(form, "passphrase").getByText("Must be at least").waitFor();
	await shot(page, "backup-complaint");
	const { text } = await keep(page, { passphrase: "one passphrase", secrets: true });
	assert(!text.includes("isp1"), "nothing can be read");
	assert.equal(await field(form, "passphrase").locator("input").inputValue(), "", "nothing stays in the form");

	const before = await config();
	await put({});
	await choose(page, text);
	await field(dialog(page), "passphrase").locator("input").fill("another passphrase");
	await dialog(page).getByRole("button", { name: "Open" }).click();
	await field(dialog(page), "passphrase").getByText("Is not the one that the backup was made with.").waitFor();
	await shot(page, "restore-passphrase");
	await field(dialog(page), "passphrase").locator("input").fill("one passphrase");
	await page.keyboard.press("Enter");
	await dialog(page).getByRole("heading", { name: "Forward web added" }).waitFor();
	assert(await dialog(page).getByLabel("Also the password of this page").isChecked());
	await everythingNamed(page);
	await shot(page, "restore-sealed");
	await restore(page);
	assert.deepEqual((await config()).forwards, before.forwards);

	// We are still in, and the password is the one that it was when the copy was made.
	await page.getByRole("button", { name: "Log out" }).click();
	await page.getByLabel("Password").fill(password);
	await page.getByRole("button", { name: "Log in" }).click();
	await page.locator(".strip-good").waitFor();
	await show(page);
}

async function otherDevices(page) {
	const before = await config();
	const { uplinks } = before;
	await put({ ...before, uplinks: [uplinks[0], { ...uplinks[1], device: "ppp7" }] });
	const { text } = await keep(page);
	await put({ ...before, uplinks: [uplinks[0]] });
	await choose(page, text);
	const device = dialog(page).getByLabel("ppp7", { exact: true });
	await device.waitFor();
	assert.equal(await dialog(page).getByLabel("eth0", { exact: true }).count(), 0, "that one is here");
	await device.selectOption("br-lan");
	await dialog(page).getByText("Br-lan is a device of network \"home\" already.").waitFor();
	const button = dialog(page).getByRole("button", { name: "Restore this" });
	assert.equal(await button.getAttribute("aria-disabled"), "true", "what is shown is not what it would do");
	await device.selectOption("eth1");
	await dialog(page).getByRole("row", { name: "Device eth1" }).waitFor();
	await everythingNamed(page);
	await shot(page, "restore-devices");
	await restore(page);
	assert.deepEqual(await config(), before);
}

async function refused(page) {
	await choose(page, "not JSON at all", "holiday.jpg");
	await page.getByText("holiday.jpg is not a backup of Portico.").waitFor();
	const { text } = await keep(page);
	const document = JSON.parse(text);
	document.content.config.forwards = [];
	await choose(page, JSON.stringify(document));
	await dialog(page).getByText(/checksum|damaged/i).waitFor();
	await shot(page, "restore-damaged");
	await page.keyboard.press("Escape");
	await choose(page, JSON.stringify({ ...document, version: 99 }));
	await dialog(page).getByText(/newer/i).waitFor();
	await page.keyboard.press("Escape");
	await dialog(page).waitFor({ state: "detached" });
}

async function onTrial(page) {
	const before = await config();
	const { text } = await keep(page);
	await put({ ...before, forwards: [] });
	await choose(page, text);
	await dialog(page).getByRole("heading", { name: "Forward web added" }).waitFor();
	// Somebody else is faster.
	await api("POST", "/forwards", { ...web, name: "theirs", external_ports: "1" });
	await dialog(page).getByText("Ask me to keep this change").click();
	await dialog(page).getByRole("button", { name: "Restore this" }).click();
	await dialog(page).getByText("The configuration was changed in the meantime.").waitFor();
	await dialog(page).getByRole("row", { name: "Port 1 9999" }).waitFor();
	await restore(page);
	await page.getByText("Keep this change?").waitFor();
	assert.equal((await config()).forwards[0].name, "web");
	await page.getByRole("button", { name: "Undo now" }).click();
	await notice(page, "The change is undone.");
	assert.equal((await config()).forwards[0].name, "theirs");
	await put(before);
}

async function recipe(page) {
	await page.evaluate(() => localStorage.removeItem("portico.ask"));
	await page.reload();
	await page.locator(".strip-good").waitFor();
	const before = await config();
	const form = section(page, "Bring rules from elsewhere");
	const line = (number) => form.locator(`tr[data-line="${number}"]`);
	await form.getByRole("button", { name: "Show what becomes of it" }).click();
	await form.getByText("There is nothing to read").waitFor();
	await field(form, "text").locator("textarea").fill(rules);
	await form.getByRole("button", { name: "Show what becomes of it" }).click();
	await line(4).getByText("Forward", { exact: false }).waitFor();
	await line(5).getByText("Uplink isp1").waitFor();
	await line(7).getByText("Left out").waitFor();
	await everythingNamed(page);
	await line(4).scrollIntoViewIfNeeded();
	await shot(page, "import");
	await form.getByLabel("Show only these").check();
	assert.equal(await line(4).count(), 0);
	await line(7).waitFor();
	assert.deepEqual((await config()).forwards, before.forwards, "nothing is done yet");
	assert.notEqual((await ask("internet", "192.0.2.1", 9998)).outcome, "answer");

	await api("PATCH", "/settings", { history_length: 150 });
	await form.getByRole("button", { name: "Make this change" }).click();
	await form.getByText("The configuration was changed in the meantime.").waitFor();
	await form.getByRole("button", { name: "Make this change" }).click();
	await notice(page, "1 change is made.");
	assert.equal((await ask("internet", "192.0.2.1", 9998)).outcome, "answer");
	assert.equal(await field(form, "text").locator("textarea").inputValue(), "");
	assert.deepEqual((await config()).forwards[0], before.forwards[0], "what was there is there");
}

async function openWrt(page) {
	const form = section(page, "Bring rules from elsewhere");
	assert.equal(await field(form, "network_text").count(), 0);
	await field(form, "text").locator("textarea").fill(`config zone
	option name 'wan'
	list network 'wan'
	option masq '1'

config redirect
	option name 'Camera'
	option src 'wan'
	option src_dport '8443'
	option dest_ip '192.168.0.4'
	option dest_port '443'

config rule
	option name 'SSH'
	option src 'wan'
	option dest_port '22'
	option target 'ACCEPT'
`);
	await field(form, "network_text").locator("textarea").fill("config interface 'wan'\n\toption device 'eth0'\n");
	await form.getByRole("button", { name: "Show what becomes of it" }).click();
	await form.getByText("Forward Camera", { exact: true }).waitFor();
	await form.getByText("OpenWrt's /etc/config/firewall: 1 object comes of it.").waitFor();
	await form.locator("tr", { hasText: "config rule" }).getByText("Left out").waitFor();
	await form.getByRole("heading", { name: "Forward Camera added" }).scrollIntoViewIfNeeded();
	await shot(page, "import-openwrt");
	// What was typed anew is looked at anew.
	await field(form, "text").locator("textarea").fill("iptables -t nat -F");
	assert.equal(await form.locator(".import-result").count(), 0);
	assert.equal(await field(form, "network_text").count(), 0);
}

// mwan3's file says things of uplinks that are there: what still has its default is taken.
async function uplinksThatAreThere(page) {
	const before = await config();
	const form = section(page, "Bring rules from elsewhere");
	await field(form, "text").locator("textarea").fill(`config interface 'wan'
	option enabled '1'
	list track_ip '203.0.113.200'

config interface 'wanb'
	option enabled '1'

config member 'wan_m1_w3'
	option interface 'wan'
	option metric '1'
	option weight '3'

config member 'wanb_m1_w2'
	option interface 'wanb'
	option metric '1'
	option weight '2'

config policy 'balanced'
	list use_member 'wan_m1_w3'
	list use_member 'wanb_m1_w2'
	option last_resort 'default'

config policy 'wanb_only'
	list use_member 'wanb_m1_w2'

config rule 'camera'
	option src_ip '192.168.0.4'
	option use_policy 'wanb_only'

config rule 'default_rule'
	option dest_ip '0.0.0.0/0'
	option use_policy 'balanced'
`);
	await field(form, "network_text").locator("textarea")
		.fill("config interface 'wan'\n\toption device 'eth0'\nconfig interface 'wanb'\n\toption device 'eth1'\n");
	await form.getByRole("button", { name: "Show what becomes of it" }).click();
	await form.getByText("OpenWrt's /etc/config/mwan3: 1 object comes of it. 2 that are there already change.").waitFor();
	const wanb = form.locator("tr", { hasText: "config interface 'wanb'" });
	await wanb.getByText("Changes uplink isp2", { exact: true }).waitFor();
	await wanb.getByText("Weight 2; stays as somebody has set it: tier 2").waitFor();
	await form.locator("tr", { hasText: "config interface 'wan'" }).getByText(/^Weight 3, health \(method icmp, targets 203.0.113.200, /).waitFor();
	await form.getByRole("heading", { name: "Uplink isp1 changed" }).waitFor();
	await form.getByRole("row", { name: "Weight 1 3" }).waitFor();
	await form.getByRole("heading", { name: "Policy camera added" }).waitFor();
	await everythingNamed(page);
	await wanb.scrollIntoViewIfNeeded();
	await shot(page, "import-changes");
	await form.getByRole("button", { name: "Make these 3 changes" }).click();
	await notice(page, "3 changes are made.");
	const after = await config();
	assert.deepEqual(after.uplinks.map(({ name, weight, tier }) => [name, weight, tier]), [["isp1", 3, 1], ["isp2", 2, 2]]);
	assert.deepEqual(after.uplinks[0].health.targets, ["203.0.113.200"]);
	await put(before);
}

async function elsewhere(page) {
	const form = section(page, "Take the rules elsewhere");
	for (const [button, name, words] of [
		["nftables", "portico.nft", "table inet portico {"],
		["iptables", "portico-iptables.sh", "iptables -t nat"],
		["OpenWrt", "portico-openwrt.txt", "config redirect"],
	]) {
		const file = await downloaded(page, () => form.getByRole("button", { name: button, exact: true }).click());
		assert.equal(file.name, name);
		assert(file.text.includes(words), `${name}: ${file.text.slice(0, 400)}`);
	}
}

async function sizes() {
	for (const [name, options] of [
		["phone", { viewport: { width: 360, height: 780 }, hasTouch: true, isMobile: true }],
		["dark", { colorScheme: "dark" }],
	]) {
		const page = await open(options);
		await logIn(page);
		await page.goto(`${page.url().split("#")[0]}#/backup`);
		const form = section(page, "Bring rules from elsewhere");
		await field(form, "text").locator("textarea").fill(rules);
		await noSidewaysScroll(page);
		await shot(page, `backup-${name}`);
		await form.getByRole("button", { name: "Show what becomes of it" }).click();
		await form.locator('tr[data-line="7"]').scrollIntoViewIfNeeded();
		await noSidewaysScroll(page);
		await everythingNamed(page);
		await shot(page, `import-${name}`);
		await close(page);
	}
}
