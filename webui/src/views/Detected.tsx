// SPDX-License-Identifier: GPL-2.0-or-later
// While no uplink or no network is configured: the devices that are there, one click each.

import { useEffect, useState } from "preact/hooks";
import { Icon } from "../components/Icons";
import { freeName } from "../entries";
import { byLikelihood, facts, globalAddresses, looksLikeLan } from "../links";
import { create, loadLinks, notify, report, type State } from "../store";
import { t } from "../texts";
import type { Link } from "../types";

export function Detected({ state }: { state: State }) {
	const { uplinks, networks } = state.collections;
	const needed = uplinks !== null && networks !== null && (uplinks.length === 0 || networks.length === 0);
	const [busy, setBusy] = useState(false);
	useEffect(() => {
		if (needed)
			loadLinks().catch(report);
	}, [needed]);
	// Ports of a bridge and the like have no address of their own.
	const links = byLikelihood(state.links ?? []).filter((link) => link.default_route || globalAddresses(link).length > 0);
	if (!needed || links.length === 0)
		return null;

	const use = async (kind: "uplinks" | "networks", link: Link) => {
		setBusy(true);
		try {
			const name = kind === "uplinks"
				? freeName(t("detected.uplink.name"), link.name, uplinks)
				: freeName(t("detected.network.name"), link.name, networks);
			await create(kind, kind === "uplinks" ? { name, device: link.name } : { name, devices: [link.name] });
			notify("good", t("notice.saved", { name }));
		} catch (error) {
			report(error);
		} finally {
			setBusy(false);
		}
	};

	return (
		<section class="detected" aria-labelledby="detected-title">
			<h2 id="detected-title">{t("detected.title")}</h2>
			<p>{t("detected.text")}</p>
			<ul>
				{links.map((link) => {
					const isUplink = uplinks.some((uplink) => uplink.device === link.name);
					const isNetwork = networks.some((network) => network.devices.includes(link.name));
					return (
						<li key={link.name} data-device={link.name}>
							<div class="device-body">
								<span class="mono strong">{link.name}</span>
								<span class="device-facts">{facts(link)}</span>
							</div>
							{isUplink ? <span class="tag tag-uplink"><Icon name="uplinks" />{t("detected.is-uplink")}</span>
								: isNetwork ? <span class="tag tag-network"><Icon name="networks" />{t("detected.is-network")}</span>
								: (
									<div class="detected-choices">
										<button type="button" aria-disabled={busy} onClick={() => !busy && use("uplinks", link)}
											class={`button ${link.default_route ? "button-primary" : ""}`}>
											<Icon name="uplinks" />{t("detected.as-uplink")}
										</button>
										<button type="button" aria-disabled={busy} onClick={() => !busy && use("networks", link)}
											class={`button ${looksLikeLan(link) ? "button-primary" : ""}`}>
											<Icon name="networks" />{t("detected.as-network")}
										</button>
									</div>
								)}
						</li>
					);
				})}
			</ul>
		</section>
	);
}
