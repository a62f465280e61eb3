// SPDX-License-Identifier: GPL-2.0-or-later

import { Badge } from "../components/Badge";
import type { Editing } from "../components/Editor";
import { CollectionPage } from "../components/Page";
import type { Column } from "../components/Table";
import { isPrivate } from "../entries";
import { href, type Route } from "../router";
import type { State } from "../store";
import { formatAge, t, tr, type Key } from "../texts";
import type { Uplink } from "../types";
import { Detected } from "./Detected";

export function Uplinks({ state, route }: { state: State; route: Route }) {
	return (
		<CollectionPage editing={editing} columns={columns(state.now)} switchable state={state} route={route}
			searchText={(u) => [u.name, u.device, ...(u.state?.addresses ?? [])].join(" ")}
			above={<Detected state={state} />} />
	);
}

function columns(now: number): Column<Uplink>[] {
	return [
		{ key: "name", head: t("column.name"), sort: (u) => u.name, cell: (u) => <a class="name" href={href("uplinks", u.id)}>{u.name}</a> },
		{ key: "state", head: t("column.state"), cell: (u) => <UplinkState uplink={u} now={now} /> },
		{ key: "device", head: t("uplinks.column.device"), cell: (u) => <span class="mono">{u.device}</span> },
		{
			key: "addresses", head: t("uplinks.column.addresses"), quiet: (u) => !u.state?.addresses.length,
			cell: (u) => u.state?.addresses.map((address) => (
				<span key={address} class="line mono">
					{address}{isPrivate(address) && <span class="tag">{t("uplinks.private")}</span>}
				</span>
			)),
		},
		{
			key: "gateway", head: t("uplinks.column.gateway"), quiet: (u) => !u.state?.gateway && !u.gateway,
			cell: (u) => <span class="mono">{u.state?.gateway ?? (u.gateway === "auto" ? "" : u.gateway)}</span>,
		},
		{
			key: "source-nat", head: t("uplinks.column.source-nat"),
			cell: (u) => u.source_nat === "masquerade" || u.source_nat === "none"
				? t(`uplinks.source-nat.short.${u.source_nat}` as Key)
				: <span class="mono">{u.source_nat}</span>,
		},
	];
}

function UplinkState({ uplink: { state }, now }: { uplink: Uplink; now: number }) {
	if (!state)
		return null;
	const tone = state.up ? "good" : state.reason === "disabled" ? "off" : "bad";
	return (
		<>
			<Badge tone={tone}>{state.up ? t("uplinks.up") : state.reason ? tr("reason.uplink", state.reason) : t("uplinks.down")}</Badge>
			{state.since && <span class="under">{t("uplinks.since", { when: formatAge(state.since, now) })}</span>}
		</>
	);
}

// --- editing ---

// "auto" and the like are choices; anything else is an address.
const mode = (value: string, words: string[]) => (words.includes(value) ? value : "address");

function toValues(uplink: Pick<Uplink, "name" | "device" | "gateway" | "source_nat">) {
	const gateway = uplink.gateway ?? "none";
	const gatewayMode = mode(gateway, ["auto", "none"]);
	const natMode = mode(uplink.source_nat, ["masquerade", "none"]);
	return {
		name: uplink.name,
		device: uplink.device ? [uplink.device] : [],
		gateway_mode: gatewayMode,
		gateway: gatewayMode === "address" ? gateway : "",
		nat_mode: natMode,
		source_nat: natMode === "address" ? uplink.source_nat : "",
	};
}

const editing: Editing<"uplinks"> = {
	kind: "uplinks",
	titleNew: t("uplinks.new"),
	title: (uplink) => t("uplinks.edit", { name: uplink.name }),
	start: (state) => toValues({ name: "", device: freeDefault(state), gateway: "auto", source_nat: "masquerade" }),
	toValues,
	toBody: (v) => ({
		name: v.name,
		device: (v.device as string[])[0] ?? "",
		gateway: v.gateway_mode === "none" ? null : v.gateway_mode === "auto" ? "auto" : v.gateway,
		source_nat: v.nat_mode === "address" ? v.source_nat : v.nat_mode,
	}),
	fields: (state) => [
		{ name: "name", label: t("field.name"), help: t("uplinks.name.help"), type: "text" },
		{ name: "device", label: t("uplinks.device"), help: t("uplinks.device.help"), type: "device", links: state.links ?? [] },
		{
			name: "gateway_mode", label: t("uplinks.gateway"), help: t("uplinks.gateway.help"), type: "segments", more: true,
			covers: [],
			choices: [
				{ value: "auto", label: t("uplinks.gateway.auto") },
				{ value: "address", label: t("uplinks.gateway.address") },
				{ value: "none", label: t("uplinks.gateway.none") },
			],
		},
		{
			name: "gateway", label: t("uplinks.gateway.address.label"), type: "text", mono: true, more: true,
			show: (v) => v.gateway_mode === "address",
		},
		{
			name: "nat_mode", label: t("uplinks.source-nat"), help: t("uplinks.source-nat.help"), type: "segments", more: true,
			covers: [],
			choices: [
				{ value: "masquerade", label: t("uplinks.source-nat.masquerade") },
				{ value: "address", label: t("uplinks.source-nat.address") },
				{ value: "none", label: t("uplinks.source-nat.none") },
			],
		},
		{
			name: "source_nat", label: t("uplinks.source-nat.address.label"), type: "text", mono: true, more: true,
			show: (v) => v.nat_mode === "address",
		},
	],
};

// The device with the default route, unless it is an uplink already.
function freeDefault(state: State): string {
	const used = state.collections.uplinks ?? [];
	return state.links?.find((link) => link.default_route && !used.some((u) => u.device === link.name))?.name ?? "";
}
