// SPDX-License-Identifier: GPL-2.0-or-later

import type { Editing } from "../components/Editor";
import { CollectionPage } from "../components/Page";
import type { Column } from "../components/Table";
import { toList } from "../entries";
import { href, type Route } from "../router";
import type { State } from "../store";
import { t } from "../texts";
import type { SourceNat } from "../types";

export function SourceNats({ state, route }: { state: State; route: Route }) {
	return (
		<CollectionPage editing={editing} columns={columns} switchable state={state} route={route}
			searchText={(s) => [s.name, s.uplink, s.address, ...s.sources].join(" ")} />
	);
}

const columns: Column<SourceNat>[] = [
	{ key: "name", head: t("column.name"), sort: (s) => s.name, cell: (s) => <a class="name" href={href("source-nats", s.id)}>{s.name}</a> },
	{
		key: "sources", head: t("source-nats.column.sources"),
		cell: (s) => s.sources.map((source) => <span key={source} class="line mono">{source}</span>),
	},
	{ key: "address", head: t("source-nats.column.address"), cell: (s) => <span class="mono strong">{s.address}</span> },
	{ key: "uplink", head: t("source-nats.column.uplink"), cell: (s) => s.uplink },
];

const editing: Editing<"source-nats"> = {
	kind: "source-nats",
	titleNew: t("source-nats.new"),
	title: (nat) => t("source-nats.edit", { name: nat.name }),
	start: (state) => ({ name: "", sources: "", uplink: state.collections.uplinks?.[0]?.name ?? "", address: "" }),
	toValues: (s) => ({ name: s.name, sources: s.sources.join(", "), uplink: s.uplink, address: s.address }),
	toBody: (v) => ({ name: v.name, sources: toList(v.sources as string), uplink: v.uplink, address: v.address }),
	fields: (state) => [
		{ name: "name", label: t("field.name"), type: "text" },
		{ name: "sources", label: t("source-nats.sources"), help: t("source-nats.sources.help"), type: "text", mono: true },
		{
			name: "uplink", label: t("source-nats.uplink"), type: "select",
			choices: (state.collections.uplinks ?? []).map((u) => ({ value: u.name, label: u.name })),
		},
		{ name: "address", label: t("source-nats.address"), help: t("source-nats.address.help"), type: "text", mono: true },
	],
};
