// SPDX-License-Identifier: GPL-2.0-or-later
// "Keep this change?", over every view, as long as one is on trial; and the switch that puts changes on trial.

import { useState } from "preact/hooks";
import { sentence } from "../api";
import type { State } from "../store";
import { t } from "../texts";
import { asks, keep, keepsByItself, secondsLeft, setAsks, setKeepsByItself, undo } from "../trial";
import { Icon } from "./Icons";

export function TrialBar({ state }: { state: State }) {
	const [busy, setBusy] = useState(false);
	const { trial } = state;
	if (!trial)
		return null;
	if (trial.failure)
		return (
			<section class="trial trial-bad" aria-label={t("trial.label")}>
				<p class="trial-question">{t("trial.failure")}</p>
				<p role="status">{sentence(trial.failure)}</p>
			</section>
		);
	const reached = state.reached === trial.revision && !state.lost;
	const seconds = secondsLeft();
	const run = async (action: () => Promise<void>) => {
		setBusy(true);
		await action();
		setBusy(false);
	};
	return (
		<section class="trial" aria-label={t("trial.label")}>
			<p class="trial-question">
				<Icon name="history" />{t("trial.question")}
				<span class="trial-left mono" role="timer">{left(seconds)}</span>
			</p>
			<p class="trial-reach" role="status">{t(state.lost ? "trial.lost" : reached ? "trial.reached" : "trial.reaching")}</p>
			<div class="trial-actions">
				<button type="button" class="button button-primary" aria-disabled={busy || !reached}
					onClick={() => !busy && reached && void run(keep)}>{t("trial.keep")}</button>
				<button type="button" class="button" aria-disabled={busy} onClick={() => !busy && void run(undo)}>{t("trial.undo")}</button>
			</div>
			<label class="check trial-self">
				<input type="checkbox" checked={keepsByItself()} onChange={(e) => setKeepsByItself(e.currentTarget.checked)} />
				<span>{t("trial.keep.self")}</span>
			</label>
		</section>
	);
}

function left(seconds: number): string {
	return seconds < 120 ? t("trial.seconds", { n: seconds }) : t("trial.minutes", { n: Math.round(seconds / 60) });
}

export function TrialSwitch() {
	return (
		<label class="check trial-switch" title={t("trial.ask.help")}>
			<input type="checkbox" checked={asks()} onChange={(e) => setAsks(e.currentTarget.checked)} />
			<span>{t("trial.ask")}</span>
		</label>
	);
}
