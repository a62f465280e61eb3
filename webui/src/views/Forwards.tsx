// SPDX-License-Identifier: GPL-2.0-or-later

import { Badge } from "../components/Badge";
import type { Editing } from "../components/Editor";
import { Icon } from "../components/Icons";
import { CollectionPage } from "../components/Page";
import type { Column } from "../components/Table";
import { fromTime, toList, toTime, withPort } from "../entries";
import { href, type Route } from "../router";
import type { State } from "../store";
import { formatAge, formatNumber, formatTime, t, tn, tr } from "../texts";
import type { Forward } from "../types";
import { Detected } from "./Detected";
import { ForwardDone } from "./ForwardDone";

export function Forwards({ state, route }: { state: State; route: Route }) {
	return (
		<CollectionPage editing={editing} columns={columns(state.now)} searchText={searchText} switchable
			state={state} route={route} above={<Detected state={state} />} />
	);
}

function searchText(forward: Forward): string {
	return [
		forward.name, forward.external_ports, forward.internal_address, forward.internal_ports, forward.comment,
		forward.protocols.join(" "), forward.uplinks.join(" "), forward.state?.addresses.join(" "),
	].join(" ");
}

function columns(now: number): Column<Forward>[] {
	return [
		{ key: "name", head: t("column.name"), sort: (f) => f.name, cell: (f) => <Name forward={f} /> },
		{
			key: "outside", head: t("forwards.column.outside"), sort: (f) => parseInt(f.external_ports ?? "0", 10),
			cell: (f) => <Outside forward={f} />,
		},
		{
			key: "inside", head: t("forwards.column.inside"), sort: (f) => f.internal_address,
			cell: (f) => <Inside forward={f} />,
		},
		{
			key: "protocol", head: t("forwards.column.protocol"), sort: (f) => f.protocols.join(),
			cell: (f) => <span class="protocols">{f.protocols.map((p) => <span key={p} class="tag">{p}</span>)}</span>,
		},
		{ key: "state", head: t("column.state"), sort: (f) => (f.state?.live ? "" : String(f.state?.reason)), cell: (f) => <ForwardState forward={f} /> },
		{
			key: "connections", head: t("forwards.column.connections"), number: true,
			sort: (f) => f.counters?.connections ?? 0,
			cell: (f) => <Connections forward={f} now={now} />,
		},
	];
}

function Name({ forward }: { forward: Forward }) {
	return (
		<>
			<a class="name" href={href("forwards", forward.id)}>{forward.name}</a>
			{forward.comment && <span class="under">{forward.comment}</span>}
			{forward.sources.length > 0 && <span class="under">{tn("forwards.restricted", forward.sources.length)}</span>}
			{forward.expires_at && <span class="under">{t("forwards.until", { when: formatTime(forward.expires_at) })}</span>}
		</>
	);
}

function Outside({ forward }: { forward: Forward }) {
	const addresses = forward.state?.addresses ?? [];
	const where = addresses.length ? addresses : forward.uplinks.length ? forward.uplinks : [t("forwards.anywhere")];
	return (
		<span class="end">
			<Words text={forward.external_ports?.replace(/,/g, ", ") ?? forward.protocols.join(", ")} strong />
			<span class="under" title={where.join("\n")}>
				<Words text={where[0]!} />{where.length > 1 && ` ${t("forwards.more-addresses", { n: where.length - 1 })}`}
			</span>
		</span>
	);
}

function Inside({ forward }: { forward: Forward }) {
	const ports = forward.internal_ports !== forward.external_ports ? forward.internal_ports : null;
	return (
		<span class="end end-inside">
			<Icon name="arrow" />
			<span>
				<Words text={forward.internal_address} strong />
				{ports && <span class="under">{t("forwards.port", { ports: ports.replace(/,/g, ", ") })}</span>}
			</span>
		</span>
	);
}

// Addresses and ports stay on one line, unless they are long.
function Words({ text, strong }: { text: string; strong?: boolean }) {
	return <span class={`mono ${strong ? "strong" : ""} ${text.length > 21 ? "long" : ""}`}>{text}</span>;
}

export function ForwardState({ forward }: { forward: Forward }) {
	const { state } = forward;
	if (!state)
		return null;
	if (state.live)
		return <Badge tone="good">{t("forwards.live")}</Badge>;
	const tone = state.reason === "disabled" || state.reason === "expired" ? "off" : "bad";
	return <Badge tone={tone}>{state.reason ? tr("reason.forward", state.reason) : ""}</Badge>;
}

function Connections({ forward, now }: { forward: Forward; now: number }) {
	const { connections = 0, last = null } = forward.counters ?? {};
	return (
		<>
			<span class="mono">{formatNumber(connections)}</span>
			{last && <span class="under">{t("forwards.last", { when: formatAge(last, now) })}</span>}
		</>
	);
}

// --- editing ---

const plainProtocols: Record<string, string[]> = { tcp: ["tcp"], udp: ["udp"], both: ["tcp", "udp"] };

function protocolChoice(protocols: string[]): string {
	const wanted = [...protocols].sort().join();
	return Object.keys(plainProtocols).find((choice) => plainProtocols[choice]!.join() === wanted) ?? "other";
}

const empty: Forward = {
	id: 0, name: "", enabled: true, family: "ipv4", protocols: ["tcp", "udp"], uplinks: [], external_ports: "",
	internal_address: "", internal_ports: null, sources: [], hairpin: true, backend_sees: "client", comment: "",
	expires_at: null,
};

function toValues(forward: Forward) {
	return {
		name: forward.name,
		external_ports: forward.external_ports ?? "",
		protocol: protocolChoice(forward.protocols),
		protocols: forward.protocols.join(", "),
		internal_address: forward.internal_address,
		internal_ports: forward.internal_ports === forward.external_ports ? "" : forward.internal_ports ?? "",
		sources: forward.sources.join(", "),
		uplinks: forward.uplinks,
		hairpin: forward.hairpin,
		backend_sees: forward.backend_sees,
		comment: forward.comment,
		expires_at: fromTime(forward.expires_at),
	};
}

const editing: Editing<"forwards"> = {
	kind: "forwards",
	titleNew: t("forwards.new"),
	title: (forward) => t("forwards.edit", { name: forward.name }),
	start: () => toValues(empty),
	toValues,
	toBody: (v) => ({
		name: v.name,
		external_ports: v.external_ports || (v.protocol === "other" ? null : ""),
		protocols: plainProtocols[v.protocol as string] ?? toList(v.protocols as string),
		internal_address: v.internal_address,
		internal_ports: v.internal_ports || null,
		sources: toList(v.sources as string),
		uplinks: v.uplinks,
		hairpin: v.hairpin,
		backend_sees: v.backend_sees,
		comment: v.comment,
		expires_at: toTime(v.expires_at as string),
	}),
	fields: (state) => [
		{ name: "name", label: t("field.name"), help: t("forwards.name.help"), type: "text" },
		{ name: "external_ports", label: t("forwards.ports"), help: t("forwards.ports.help"), type: "text", mono: true },
		{
			name: "protocol", label: t("forwards.protocol"), help: t("forwards.protocol.help"), type: "segments",
			covers: ["protocols"],
			choices: [
				{ value: "tcp", label: t("forwards.protocol.tcp") },
				{ value: "udp", label: t("forwards.protocol.udp") },
				{ value: "both", label: t("forwards.protocol.both") },
				{ value: "other", label: t("forwards.protocol.other") },
			],
		},
		{
			name: "protocols", label: t("forwards.protocols"), help: t("forwards.protocols.help"), type: "text", mono: true,
			covers: [], show: (v) => v.protocol === "other",
		},
		{
			name: "internal_address", label: t("forwards.address"), help: t("forwards.address.help"), type: "text", mono: true,
			covers: ["internal_address", "family"], suggestions: backends(state.collections.forwards),
		},
		{
			name: "internal_ports", label: t("forwards.internal-ports"), help: t("forwards.internal-ports.help"), type: "text",
			mono: true, more: true,
		},
		{
			name: "sources", label: t("forwards.sources"), help: t("forwards.sources.help"), type: "text", mono: true, more: true,
		},
		{
			name: "uplinks", label: t("forwards.uplinks"), help: t("forwards.uplinks.help"), type: "checks", more: true,
			choices: (state.collections.uplinks ?? []).map((uplink) => ({ value: uplink.name, label: uplink.name })),
			show: (v) => (state.collections.uplinks?.length ?? 0) > 1 || (v.uplinks as string[]).length > 0,
		},
		{ name: "hairpin", label: t("forwards.hairpin"), help: t("forwards.hairpin.help"), type: "check", more: true },
		{
			name: "backend_sees", label: t("forwards.sees"), help: t("forwards.sees.help"), type: "segments", more: true,
			choices: [
				{ value: "client", label: t("forwards.sees.client") },
				{ value: "router", label: t("forwards.sees.router") },
			],
		},
		{ name: "expires_at", label: t("forwards.expires"), help: t("forwards.expires.help"), type: "time", more: true },
		{ name: "comment", label: t("forwards.comment"), type: "text", more: true },
	],
	presetsLabel: t("forwards.preset"),
	presets: [
		{ label: t("forwards.preset.web"), values: { name: "web", external_ports: "80,443", protocol: "tcp" } },
		{ label: t("forwards.preset.minecraft"), values: { name: "minecraft", external_ports: "25565", protocol: "both" } },
		{ label: t("forwards.preset.wireguard"), values: { name: "wireguard", external_ports: "51820", protocol: "udp" } },
		{ label: t("forwards.preset.plex"), values: { name: "plex", external_ports: "32400", protocol: "tcp" } },
		{ label: t("forwards.preset.ssh"), values: { name: "ssh", external_ports: "22", protocol: "tcp" } },
	],
	done: (forward, again) => <ForwardDone forward={forward} onAgain={again} />,
};

// Addresses that other forwards lead to already.
function backends(forwards: Forward[] | null) {
	const names = new Map<string, string>();
	for (const forward of forwards ?? [])
		if (names.size < 50 && !names.has(forward.internal_address))
			names.set(forward.internal_address, forward.name);
	return [...names].map(([value, label]) => ({ value, label }));
}

export function shareAddresses(forward: Forward): string[] {
	const port = forward.external_ports?.split(/[,-]/)[0];
	return (forward.state?.addresses ?? []).map((address) => (port ? withPort(address, port) : address));
}
