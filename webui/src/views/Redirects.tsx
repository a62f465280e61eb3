// SPDX-License-Identifier: GPL-2.0-or-later

import type { Editing } from "../components/Editor";
import { CollectionPage } from "../components/Page";
import type { Column } from "../components/Table";
import { toList, toNumber } from "../entries";
import { href, type Route } from "../router";
import type { State } from "../store";
import { t } from "../texts";
import type { Redirect } from "../types";

export function Redirects({ state, route }: { state: State; route: Route }) {
	return (
		<CollectionPage editing={editing} columns={columns} switchable state={state} route={route}
			searchText={(r) => [r.name, r.network, r.port, r.to_port].join(" ")} />
	);
}

const columns: Column<Redirect>[] = [
	{ key: "name", head: t("column.name"), sort: (r) => r.name, cell: (r) => <a class="name" href={href("redirects", r.id)}>{r.name}</a> },
	{ key: "network", head: t("redirects.network"), cell: (r) => r.network },
	{ key: "from", head: t("redirects.column.from"), cell: (r) => <>{t("redirects.any", { port: r.port })} <span class="tag">{r.protocol}</span></> },
	{ key: "to", head: t("redirects.column.to"), cell: (r) => t("redirects.self", { port: r.to_port }) },
	{
		key: "except", head: t("redirects.column.except"), quiet: (r) => !r.except.length,
		cell: (r) => <span class="mono">{r.except.join(", ")}</span>,
	},
];

const editing: Editing<"redirects"> = {
	kind: "redirects",
	titleNew: t("redirects.new"),
	title: (redirect) => t("redirects.edit", { name: redirect.name }),
	start: (state) => ({
		name: "", network: state.collections.networks?.[0]?.name ?? "", protocol: "tcp", port: "80", to_port: "", except: "",
	}),
	toValues: (r) => ({
		name: r.name, network: r.network, protocol: r.protocol, port: String(r.port), to_port: String(r.to_port),
		except: r.except.join(", "),
	}),
	toBody: (v) => ({
		name: v.name,
		network: v.network,
		protocol: v.protocol,
		port: toNumber(v.port as string),
		to_port: toNumber(v.to_port as string),
		except: toList(v.except as string),
	}),
	fields: (state) => [
		{ name: "name", label: t("field.name"), type: "text" },
		{
			name: "network", label: t("redirects.network"), type: "select",
			choices: (state.collections.networks ?? []).map((n) => ({ value: n.name, label: n.name })),
		},
		{
			name: "protocol", label: t("redirects.protocol"), type: "segments",
			choices: [{ value: "tcp", label: t("forwards.protocol.tcp") }, { value: "udp", label: t("forwards.protocol.udp") }],
		},
		{ name: "port", label: t("redirects.port"), help: t("redirects.port.help"), type: "number", mono: true, narrow: true },
		{ name: "to_port", label: t("redirects.to-port"), help: t("redirects.to-port.help"), type: "number", mono: true, narrow: true },
		{ name: "except", label: t("redirects.except"), help: t("redirects.except.help"), type: "text", mono: true, optional: true },
	],
};
