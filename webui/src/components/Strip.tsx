// SPDX-License-Identifier: GPL-2.0-or-later
// The beam over every view: does the router do what the configuration says? If not: what is wrong, since
// when, what to do. And what somebody changed and was put right.

import { sentence } from "../api";
import { href } from "../router";
import type { State } from "../store";
import { formatAge, formatNumber, t, tn } from "../texts";
import type { Forward, Status } from "../types";
import { UplinkBadge } from "./UplinkBadge";

export function Strip({ state }: { state: State }) {
	const { status, offline } = state;
	const tone = offline ? "bad" : !status ? "off" : status.kernel.in_sync && !status.database.failure ? "good" : "bad";
	return (
		<section class={`strip strip-${tone}`} aria-label={t("strip.label")}>
			<p class="strip-verdict" role="status">
				<span class="dot" aria-hidden="true" />
				{offline ? t("strip.offline") : !status ? t("strip.waiting") : verdict(status)}
			</p>
			{status && <Facts status={status} state={state} />}
			{status && !offline && !status.kernel.in_sync && <Troubles status={status} state={state} />}
			{status?.database.failure && !offline && <p class="strip-troubles">{sentence(status.database.failure)}</p>}
		</section>
	);
}

// The firewall beside us has its include missing, and nothing else is wrong.
function onlyFirewall({ kernel, firewall }: Status): boolean {
	return firewall.include === false && kernel.failures.length === 1;
}

function verdict(status: Status): string {
	if (!status.kernel.in_sync)
		return onlyFirewall(status) ? t("strip.firewall") : t("strip.differs");
	return status.database.failure ? t("strip.database") : t("strip.sync");
}

function Facts({ status, state }: { status: Status; state: State }) {
	const wanted = status.uplinks.filter((uplink) => uplink.reason !== "disabled");
	const down = wanted.filter((uplink) => !uplink.up);
	const { total, live } = count(state.collections.forwards) ?? status.forwards;
	return (
		<ul class="strip-facts">
			<li>
				<a href={href("uplinks")}>
					{wanted.length ? t("strip.uplinks", { up: wanted.length - down.length, n: wanted.length }) : t("strip.uplinks.none")}
				</a>
			</li>
			{down.map((uplink) => (
				<li key={uplink.id}>
					<UplinkBadge up={false} reason={uplink.reason} name={uplink.name} />
				</li>
			))}
			<li>
				<a href={href("forwards")}>{total ? t("strip.forwards", { live: formatNumber(live), n: formatNumber(total) }) : t("strip.forwards.none")}</a>
			</li>
			{status.firewall.fw4 && <li>{t("strip.beside")}</li>}
			{status.kernel.mended > 0 && <li><Mended kernel={status.kernel} now={state.now} /></li>}
		</ul>
	);
}

// The list is told of each change; the status is asked for now and then.
function count(forwards: Forward[] | null): Status["forwards"] | null {
	return forwards && { total: forwards.length, live: forwards.filter(({ state }) => state?.live).length };
}

// Unfolds over the page, not in it: what is below must not move while somebody clicks there.
function Mended({ kernel, now }: { kernel: Status["kernel"]; now: number }) {
	const when = kernel.last_mended ? formatAge(kernel.last_mended, now) : "";
	return (
		<details class="strip-note">
			<summary>{tn("strip.mended", kernel.mended, { when })}</summary>
			<div class="strip-found">
				<p>{t("strip.found")}</p>
				<ul>{kernel.last_found.map((text) => <li key={text}>{sentence(text)}</li>)}</ul>
			</div>
		</details>
	);
}

function Troubles({ status, state }: { status: Status; state: State }) {
	const { kernel } = status;
	const wait = kernel.retry_in_s === null ? null : Math.ceil(kernel.retry_in_s - (state.now - state.statusAt) / 1000);
	return (
		<div class="strip-troubles">
			{!onlyFirewall(status) && <p>{t("strip.differs.text")}</p>}
			<ul>
				{kernel.failures.map((failure, i) => (
					<li key={i}>
						<Said text={failure.message} />{!onlyFirewall(status) && <code class="step">{failure.step}</code>}
					</li>
				))}
				{!kernel.failures.length && kernel.last_error && <li><Said text={kernel.last_error} /></li>}
			</ul>
			{wait !== null && <p>{wait > 0 ? tn("strip.retry", wait) : t("strip.retry.now")}</p>}
		</div>
	);
}

// The daemon's words, with what is to be typed `between backticks`.
function Said({ text }: { text: string }) {
	return <>{sentence(text).split("`").map((part, i) => (i % 2 ? <code key={i}>{part}</code> : part))}</>;
}
