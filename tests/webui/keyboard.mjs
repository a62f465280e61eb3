// SPDX-License-Identifier: GPL-2.0-or-later
// Everything with the keyboard alone.

import assert from "node:assert/strict";
import { ask, focused, open, password, row, story, until } from "./browser.mjs";

await story(async () => {
	const page = await open();
	const keys = page.keyboard;

	await tabTo(page, "Password");
	await keys.type(password);
	await keys.press("Enter");
	await page.locator(".strip-good").waitFor();

	await keys.press("Tab");
	assert.equal(await focused(page), "Skip to the content");
	await keys.press("Enter");
	await tabTo(page, "Add a forward");
	await keys.press("Enter");
	await page.getByRole("dialog").waitFor();

	await until(async () => (await focused(page)) === "Name", "the first entry has the focus");
	await keys.type("by keyboard");
	await tabTo(page, "Port");
	await keys.type("9999");
	await tabTo(page, "Both");
	await keys.press("ArrowLeft");
	await keys.press("ArrowLeft");
	assert.equal(await focused(page), "TCP");
	await tabTo(page, "Device inside");
	await keys.type("192.168.0.2");
	await tabTo(page, "More");
	await keys.press("Enter");
	await tabTo(page, "Set hours");
	await keys.press("Enter");
	await keys.press("Shift+Tab");
	assert.equal(await focused(page), "Remove hours 1");
	await keys.press("Enter");
	assert.equal(await focused(page), "Set hours", "the focus is where hours can be set again");
	await tabTo(page, "Comment");
	await keys.type("without a mouse");
	await keys.press("Enter");
	await page.getByRole("heading", { name: "by keyboard is ready" }).waitFor();
	assert.equal((await ask("internet", "192.0.2.1", 9999)).outcome, "answer");

	await keys.press("Escape");
	await page.getByRole("dialog").waitFor({ state: "detached" });
	await until(async () => (await focused(page)) === "Forwards", "the focus is at the heading: the button in the empty list is gone");

	await tabTo(page, "by keyboard is switched on");
	await keys.press("Space");
	await row(page, "by keyboard").getByText("Off", { exact: true }).waitFor();

	await tabTo(page, "Edit by keyboard");
	await keys.press("Enter");
	await page.getByLabel("Comment").waitFor({ state: "attached" });
	await focusStaysInside(page);
	await keys.press("Escape");
	await page.getByRole("dialog").waitFor({ state: "detached" });
	await until(async () => (await focused(page)) === "Edit by keyboard", "the focus is back where it was");

	await tabTo(page, "Delete by keyboard");
	await keys.press("Enter");
	await row(page, "by keyboard").waitFor({ state: "detached" });
	await tabTo(page, "Undo");
	await keys.press("Enter");
	await row(page, "by keyboard").waitFor();
});

async function tabTo(page, name) {
	for (let i = 0; i < 60; i++) {
		if ((await focused(page)) === name) {
			assert(await page.evaluate(() => document.activeElement.matches(":focus-visible")), `the focus on ${name} shows`);
			return;
		}
		await page.keyboard.press("Tab");
	}
	assert.fail(`no way to “${name}” with the Tab key`);
}

async function focusStaysInside(page) {
	for (let i = 0; i < 40; i++) {
		await page.keyboard.press("Tab");
		assert(await page.evaluate(() => document.activeElement === document.body
			|| document.activeElement.closest("dialog") !== null), "the focus left the dialog");
	}
}
