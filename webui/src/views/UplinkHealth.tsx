// SPDX-License-Identifier: GPL-2.0-or-later
// How one uplink is and was: its last probes, its targets, its ups and downs; a test on demand.

import { useEffect, useState } from "preact/hooks";
import { request } from "../api";
import { Badge } from "../components/Badge";
import { Probes } from "../components/Probes";
import { Sheet } from "../components/Sheet";
import { UplinkBadge } from "../components/UplinkBadge";
import { useHealth } from "../components/useHealth";
import { report } from "../store";
import { formatAge, formatTime, formatUntil, t } from "../texts";
import type { Uplink, UplinkHealth, UplinkTest } from "../types";

const changesShown = 20;

interface Props {
	uplink: Uplink;
	now: number;
	test: boolean; // begins with one
	onClose: () => void;
}

export function UplinkHealthSheet({ uplink, now, test, onClose }: Props) {
	const health = useHealth(uplink, true);
	const { state } = uplink;
	return (
		<Sheet title={t("uplinks.health", { name: uplink.name })} onClose={onClose}>
			<div class="form-body health">
				{state?.held_until && <p class="form-warning">{t("uplinks.health.held", { when: formatUntil(state.held_until, now) })}</p>}
				{!uplink.health && <p class="help">{t("uplinks.health.none")}</p>}
				{uplink.health && state && <Figures uplink={uplink} />}
				{health && health.samples.length > 0 && (
					<section>
						<h3>{t("uplinks.health.probes")}</h3>
						<Probes samples={health.samples} count={110} height={64} />
						<Legend />
						<p class="help">{slowest(health)}</p>
					</section>
				)}
				{health && health.targets.length > 0 && <Targets health={health} />}
				<Test uplink={uplink} atOnce={test} />
				{health && <Changes health={health} now={now} />}
			</div>
		</Sheet>
	);
}

function Legend() {
	return (
		<ul class="legend" aria-hidden="true">
			{(["answered", "late", "lost"] as const).map((what) => (
				<li key={what}><span class={`legend-${what}`} />{t(`uplinks.health.legend.${what}`)}</li>
			))}
		</ul>
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

function Test({ uplink, atOnce }: { uplink: Uplink; atOnce: boolean }) {
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
	useEffect(() => {
		if (atOnce)
			void run();
	}, []);
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
							<UplinkBadge up={change.up} reason={change.reason} />
							<time dateTime={change.at} title={formatTime(change.at)}>{formatAge(change.at, now)}</time>
						</li>
					))}
				</ul>
			)}
		</section>
	);
}
