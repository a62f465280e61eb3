// SPDX-License-Identifier: GPL-2.0-or-later
// The beam over every view: does the router do what the configuration says?

import { href } from "../router";
import type { State } from "../store";
import { formatAge, formatNumber, t, tn, tr } from "../texts";
import type { Status } from "../types";
import { Badge } from "./Badge";

export function Strip({ state }: { state: State }) {
	const { status, offline, now } = state;
	const tone = offline ? "bad" : !status ? "off" : status.kernel.in_sync ? "good" : "bad";
	return (
		<section class={`strip strip-${tone}`} aria-label={t("strip.label")}>
			<p class="strip-verdict" role="status">
				<span class="dot" aria-hidden="true" />
				{offline ? t("strip.offline")
					: !status ? t("strip.waiting")
					: status.kernel.in_sync ? t("strip.sync") : t("strip.differs")}
			</p>
			{status && <Facts status={status} />}
			{status && !offline && <Troubles kernel={status.kernel} />}
			{status && status.kernel.mended > 0 && (
				<p class="strip-note">
					{tn("strip.mended", status.kernel.mended, {
						when: status.kernel.last_mended ? formatAge(status.kernel.last_mended, now) : "",
					})}
				</p>
			)}
		</section>
	);
}

function Facts({ status }: { status: Status }) {
	const wanted = status.uplinks.filter((uplink) => uplink.reason !== "disabled");
	const down = wanted.filter((uplink) => !uplink.up);
	const { total, live } = status.forwards;
	return (
		<ul class="strip-facts">
			<li>
				<a href={href("uplinks")}>
					{wanted.length ? t("strip.uplinks", { up: wanted.length - down.length, n: wanted.length }) : t("strip.uplinks.none")}
				</a>
			</li>
			{down.map((uplink) => (
				<li key={uplink.id}>
					<Badge tone="bad">
						{uplink.name}: {uplink.reason ? tr("reason.uplink", uplink.reason) : t("uplinks.down")}
					</Badge>
				</li>
			))}
			<li>
				<a href={href("forwards")}>{total ? t("strip.forwards", { live: formatNumber(live), n: formatNumber(total) }) : t("strip.forwards.none")}</a>
			</li>
			{status.firewall.fw4 && <li>{t("strip.beside")}</li>}
		</ul>
	);
}

function Troubles({ kernel }: { kernel: Status["kernel"] }) {
	if (kernel.in_sync || (!kernel.last_error && !kernel.failures.length))
		return null;
	return (
		<div class="strip-troubles">
			<p class="strong">{t("strip.why")}</p>
			<ul>
				{kernel.failures.length
					? kernel.failures.map((failure, i) => (
						<li key={i}>{failure.message}<code>{failure.step}</code></li>
					))
					: <li>{kernel.last_error}</li>}
			</ul>
		</div>
	);
}
