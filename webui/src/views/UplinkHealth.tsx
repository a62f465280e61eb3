// SPDX-License-Identifier: GPL-2.0-or-later
// How one uplink is and was: its last probes, its targets, its ups and downs; a test on demand.

import { useState } from "preact/hooks";
import { request } from "../api";
import { Badge } from "../components/Badge";
import { Probes } from "../components/Probes";
import { Sheet } from "../components/Sheet";
import { useHealth } from "../components/useHealth";
import { report } from "../store";
import { formatAge, formatTime, t, tr } from "../texts";
import type { Uplink, UplinkHealth, UplinkTest } from "../types";

const changesShown = 20;

export function UplinkHealthSheet({ uplink, now, onClose }: { uplink: Uplink; now: number; onClose: () => void }) {
	const health = useHealth(uplink.id, true);
	const { state } = uplink;
	return (
		<Sheet title={t("uplinks.health", { name: uplink.name })} onClose={onClose}>
			<div class="form-body health">
				{state?.held_until && <p class="form-warning">{t("uplinks.health.held", { when: formatTime(state.held_until) })}</p>}
				{!uplink.health && <p class="help">{t("uplinks.health.none")}</p>}
				{uplink.health && state && <Figures uplink={uplink} />}
				{health && health.samples.length > 0 && (
					<section>
						<h3>{t("uplinks.health.probes")}</h3>
						<Probes samples={health.samples} count={110} height={64} />
						<p class="help">{slowest(health)}</p>
					</section>
				)}
				{health && health.targets.length > 0 && <Targets health={health} />}
				<Test uplink={uplink} />
				{health && <Changes health={health} now={now} />}
			</div>
		</Sheet>
	);
}

function slowest({ samples }: UplinkHealth): string {
	const most = Math.max(0, ...samples.map((s) => s.latency_ms ?? 0));
	return most ? t("uplinks.health.slowest", { ms: most.toFixed(1) }) : t("uplinks.health.latency.none");
}

function Figures({ uplink: { state } }: { uplink: Uplink }) {
	const figures = [
		[t("uplinks.health.latency.head"), milliseconds(state!.latency_ms)],
		[t("uplinks.health.jitter"), milliseconds(state!.jitter_ms)],
		[t("uplinks.health.loss"), state!.loss_percent === null ? "–" : t("uplinks.percent", { n: state!.loss_percent })],
	] as const;
	return (
		<dl class="figures">
			{figures.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
		</dl>
	);
}

export function milliseconds(ms: number | null): string {
	return ms === null ? "–" : t("uplinks.ms", { n: ms < 10 ? ms.toFixed(1) : Math.round(ms) });
}

function Targets({ health }: { health: UplinkHealth }) {
	return (
		<section>
			<h3>{t("uplinks.health.targets")}</h3>
			<table class="differences">
				<thead>
					<tr>
						<th scope="col">{t("uplinks.health.target")}</th>
						<th scope="col">{t("uplinks.health.last")}</th>
						<th scope="col">{t("uplinks.health.loss")}</th>
					</tr>
				</thead>
				<tbody>
					{health.targets.map((target) => (
						<tr key={target.target}>
							<td class="mono">{target.target}</td>
							<td>{milliseconds(target.latency_ms)}</td>
							<td>{target.loss_percent === null ? "–" : t("uplinks.percent", { n: target.loss_percent })}</td>
						</tr>
					))}
				</tbody>
			</table>
		</section>
	);
}

function Test({ uplink }: { uplink: Uplink }) {
	const [result, setResult] = useState<UplinkTest | "running" | null>(null);
	const run = async () => {
		setResult("running");
		try {
			setResult((await request<UplinkTest>("POST", `/uplinks/${uplink.id}/test`)).body);
		} catch (error) {
			setResult(null);
			report(error);
		}
	};
	return (
		<section>
			<button type="button" class="button" aria-disabled={result === "running"}
				onClick={() => { if (result !== "running") void run(); }}>
				{t(result === "running" ? "uplinks.testing" : "uplinks.test")}
			</button>
			<div role="status" class="test-result">
				{result && result !== "running" && (
					<>
						<Badge tone={result.passed ? "good" : "bad"}>{t(result.passed ? "uplinks.test.passed" : "uplinks.test.failed")}</Badge>
						<ul>
							{result.targets.map((target) => (
								<li key={target.target}>
									<span class="mono">{target.target}</span>{" "}
									{target.answered ? t("uplinks.test.answer", { ms: target.latency_ms!.toFixed(1) })
										: target.error ?? t("uplinks.test.silence")}
								</li>
							))}
						</ul>
					</>
				)}
			</div>
		</section>
	);
}

function Changes({ health, now }: { health: UplinkHealth; now: number }) {
	const changes = health.transitions.slice(-changesShown).reverse();
	return (
		<section>
			<h3>{t("uplinks.health.changes")}</h3>
			{changes.length === 0 ? <p class="help">{t("uplinks.health.changes.none")}</p> : (
				<ul class="changes">
					{changes.map((change) => (
						<li key={change.at}>
							<Badge tone={change.up ? "good" : "bad"}>
								{change.up ? t("uplinks.up") : change.reason ? tr("reason.uplink", change.reason) : t("uplinks.down")}
							</Badge>
							<time dateTime={change.at} title={formatTime(change.at)}>{formatAge(change.at, now)}</time>
						</li>
					))}
				</ul>
			)}
		</section>
	);
}
