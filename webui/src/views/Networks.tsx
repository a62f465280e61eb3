// SPDX-License-Identifier: GPL-2.0-or-later

import { Badge } from "../components/Badge";
import type { Editing } from "../components/Editor";
import { CollectionPage } from "../components/Page";
import type { Column } from "../components/Table";
import { toList } from "../entries";
import { href, type Route } from "../router";
import type { State } from "../store";
import { t } from "../texts";
import type { Network } from "../types";
import { Detected } from "./Detected";

export function Networks({ state, route }: { state: State; route: Route }) {
	return (
		<CollectionPage editing={editing} columns={columns} switchable={false} state={state} route={route}
			searchText={(n) => [n.name, ...n.devices, ...n.prefixes].join(" ")}
			above={<Detected state={state} />} />
	);
}

const columns: Column<Network>[] = [
	{ key: "name", head: t("column.name"), sort: (n) => n.name, cell: (n) => <a class="name" href={href("networks", n.id)}>{n.name}</a> },
	{ key: "devices", head: t("networks.column.devices"), cell: (n) => <span class="mono">{n.devices.join(", ")}</span> },
	{
		key: "prefixes", head: t("networks.column.prefixes"),
		cell: (n) => (n.state?.prefixes ?? n.prefixes).map((prefix) => <span key={prefix} class="line mono">{prefix}</span>),
	},
	{
		key: "hairpin", head: t("networks.column.hairpin"),
		cell: (n) => n.hairpin === "off" ? <Badge tone="off">{t("networks.hairpin.off")}</Badge> : (
			<>
				<Badge tone="good">{t("networks.hairpin.on")}</Badge>
				<span class="under">{t("networks.hairpin.source", { source: t(`networks.source.${n.hairpin_source}`) })}</span>
			</>
		),
	},
];

function toValues(network: Omit<Network, "id">) {
	return {
		name: network.name,
		devices: network.devices,
		prefixes: network.prefixes.join(", "),
		hairpin: network.hairpin === "on",
		hairpin_source: network.hairpin_source,
	};
}

const editing: Editing<"networks"> = {
	kind: "networks",
	titleNew: t("networks.new"),
	title: (network) => t("networks.edit", { name: network.name }),
	start: () => toValues({ name: "", devices: [], prefixes: [], hairpin: "on", hairpin_source: "router" }),
	toValues,
	toBody: (v) => ({
		name: v.name,
		devices: v.devices,
		prefixes: toList(v.prefixes as string),
		hairpin: v.hairpin ? "on" : "off",
		hairpin_source: v.hairpin_source,
	}),
	fields: (state) => [
		{ name: "name", label: t("field.name"), help: t("networks.name.help"), type: "text" },
		{ name: "devices", label: t("networks.devices"), help: t("networks.devices.help"), type: "devices", links: state.links ?? [] },
		{ name: "hairpin", label: t("networks.hairpin"), help: t("networks.hairpin.help"), type: "check" },
		{ name: "prefixes", label: t("networks.prefixes"), help: t("networks.prefixes.help"), type: "text", mono: true, more: true },
		{
			name: "hairpin_source", label: t("networks.source"), type: "segments", more: true,
			choices: [
				{ value: "router", label: t("networks.source.router") },
				{ value: "external", label: t("networks.source.external") },
			],
		},
	],
};
