// SPDX-License-Identifier: GPL-2.0-or-later

import { Badge } from "../components/Badge";
import type { Editing } from "../components/Editor";
import type { Values } from "../components/Field";
import { Icon } from "../components/Icons";
import { CollectionPage } from "../components/Page";
import type { Column } from "../components/Table";
import { fromTime, hostSuffix, toList, toTime, withPort } from "../entries";
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
		forward.state?.backends.join(" "), forward.sources.join(" "), stateWords(forward),
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
		{ key: "state", head: t("column.state"), sort: (f) => (f.state?.live ? "" : stateWords(f)), cell: (f) => <ForwardState forward={f} /> },
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
			{forward.schedule && <span class="under">{forward.schedule}</span>}
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
	const now = forward.state?.backends.filter((address) => address !== forward.internal_address) ?? [];
	return (
		<span class="end end-inside">
			<Icon name="arrow" />
			<span>
				<Words text={forward.internal_address} strong />
				{ports && <span class="under">{t("forwards.port", { ports: ports.replace(/,/g, ", ") })}</span>}
				{now.length > 0 && (
					<span class="under" title={now.join("\n")}>
						<Words text={now[0]!} />{now.length > 1 && ` ${t("forwards.more-addresses", { n: now.length - 1 })}`}
					</span>
				)}
				{forward.pinhole && <span class="under">{t("forwards.untranslated")}</span>}
			</span>
		</span>
	);
}

// Addresses and ports stay on one line, unless they are long: then they break where they have joints.
function Words({ text, strong }: { text: string; strong?: boolean }) {
	const parts = text.split(":");
	return (
		<span class={`mono ${strong ? "strong" : ""} ${text.length > 21 ? "long" : ""}`}>
			{parts.map((part, i) => (i ? [":", <wbr />, part] : part))}
		</span>
	);
}

export function ForwardState({ forward }: { forward: Forward }) {
	const { state } = forward;
	if (!state)
		return null;
	const tone = state.live ? "good" : asWanted.includes(state.reason ?? "") ? "off" : "bad";
	return <Badge tone={tone}>{stateWords(forward)}</Badge>;
}

const asWanted = ["disabled", "expired", "scheduled"];

function stateWords({ state }: Forward): string {
	return state?.live ? t("forwards.live") : state?.reason ? tr("reason.forward", state.reason) : "";
}

function Connections({ forward, now }: { forward: Forward; now: number }) {
	const { connections = 0, last = null } = forward.counters ?? {};
	return (
		<>
			<span class="mono">{formatNumber(connections)}</span>
			{last && <span class="under">{formatAge(last, now)}</span>}
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
	expires_at: null, internal_network: null, pinhole: false, schedule: null, log: false,
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
		internal_network: forward.internal_network ?? "",
		way: forward.pinhole ? "straight" : "translated",
		schedule: forward.schedule ?? "",
		log: forward.log,
	};
}

const translated = (v: Values) => v.way === "translated";
const isSuffix = (v: Values) => (v.internal_address as string).includes("/");

// The provider may give another prefix tomorrow; the device keeps the rest of its address.
function followPrefix(address: string, change: (address: string) => void) {
	const suffix = hostSuffix(address.trim());
	if (address.includes("/"))
		return t("forwards.suffix.help");
	return suffix && (
		<>
			{t("forwards.suffix.ask")}{" "}
			<button type="button" class="link" onClick={() => change(suffix)}>{t("forwards.suffix.take", { suffix })}</button>
		</>
	);
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
		internal_ports: (translated(v) && v.internal_ports) || null,
		internal_network: (isSuffix(v) && v.internal_network) || null,
		pinhole: !translated(v),
		sources: toList(v.sources as string),
		uplinks: v.uplinks,
		hairpin: v.hairpin,
		backend_sees: translated(v) ? v.backend_sees : "client",
		comment: v.comment,
		schedule: v.schedule || null,
		log: v.log,
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
			covers: ["internal_address", "family"], suggestions: backends(state.collections.forwards), advice: followPrefix,
		},
		{
			name: "way", label: t("forwards.way"), help: t("forwards.way.help"), type: "segments", more: true,
			section: t("forwards.section.inside"), covers: ["pinhole"],
			choices: [
				{ value: "translated", label: t("forwards.way.translated") },
				{ value: "straight", label: t("forwards.way.straight") },
			],
		},
		{
			name: "internal_ports", label: t("forwards.internal-ports"), help: t("forwards.internal-ports.help"), type: "text",
			mono: true, more: true, section: t("forwards.section.inside"), show: translated,
		},
		{
			name: "internal_network", label: t("forwards.network"), help: t("forwards.network.help"), type: "select", more: true,
			section: t("forwards.section.inside"), show: isSuffix,
			choices: [
				{ value: "", label: t("forwards.network.any") },
				...(state.collections.networks ?? []).map(({ name }) => ({ value: name, label: name })),
			],
		},
		{
			name: "backend_sees", label: t("forwards.sees"), help: t("forwards.sees.help"), type: "segments", more: true,
			section: t("forwards.section.inside"), show: translated,
			choices: [
				{ value: "client", label: t("forwards.sees.client") },
				{ value: "router", label: t("forwards.sees.router") },
			],
		},
		{
			name: "sources", label: t("forwards.sources"), help: t("forwards.sources.help"), type: "text", mono: true, more: true,
			section: t("forwards.section.who"),
		},
		{
			name: "uplinks", label: t("forwards.uplinks"), help: t("forwards.uplinks.help"), type: "checks", more: true,
			section: t("forwards.section.who"),
			choices: (state.collections.uplinks ?? []).map((uplink) => ({ value: uplink.name, label: uplink.name })),
			show: (v) => (state.collections.uplinks?.length ?? 0) > 1 || (v.uplinks as string[]).length > 0,
		},
		{
			name: "hairpin", label: t("forwards.hairpin"), help: t("forwards.hairpin.help"), type: "check", more: true,
			section: t("forwards.section.who"), show: translated,
		},
		{
			name: "schedule", label: t("forwards.schedule"), help: t("forwards.schedule.help"), type: "schedule", more: true,
			section: t("forwards.section.when"),
		},
		{
			name: "expires_at", label: t("forwards.expires"), help: t("forwards.expires.help"), type: "time", more: true,
			section: t("forwards.section.when"),
		},
		{ name: "comment", label: t("forwards.comment"), type: "text", more: true, section: t("forwards.section.notes") },
		{
			name: "log", label: t("forwards.log"), help: t("forwards.log.help"), type: "check", more: true,
			section: t("forwards.section.notes"),
		},
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
