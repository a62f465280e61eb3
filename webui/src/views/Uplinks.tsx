// SPDX-License-Identifier: GPL-2.0-or-later

import { useState } from "preact/hooks";
import type { Editing } from "../components/Editor";
import type { FieldSpec, Values } from "../components/Field";
import { CollectionPage } from "../components/Page";
import { Probes } from "../components/Probes";
import type { Column } from "../components/Table";
import { UplinkBadge } from "../components/UplinkBadge";
import { useHealth } from "../components/useHealth";
import { isPrivate, toList, toNumber, withPort } from "../entries";
import { href, type Route } from "../router";
import { change, report, told, type State } from "../store";
import { formatAge, formatUntil, t, type Key } from "../texts";
import type { Health, Uplink } from "../types";
import { Detected } from "./Detected";
import { UplinkHealthSheet, milliseconds } from "./UplinkHealth";

export function Uplinks({ state, route }: { state: State; route: Route }) {
	const [looking, setLooking] = useState<Looking | null>(null);
	const looked = state.collections.uplinks?.find((u) => u.id === looking?.id);
	return (
		<>
			<CollectionPage editing={editing} columns={columns(state, setLooking)} switchable state={state} route={route}
				searchText={(u) => [u.name, u.device, ...(u.state?.addresses ?? [])].join(" ")}
				above={<Detected state={state} />} />
			{looked && <UplinkHealthSheet uplink={looked} now={state.now} test={looking!.test} onClose={() => setLooking(null)} />}
		</>
	);
}

interface Looking { id: number; test: boolean }

function columns(state: State, look: (at: Looking) => void): Column<Uplink>[] {
	const all = state.collections.uplinks ?? [];
	return [
		{ key: "name", head: t("column.name"), sort: (u) => u.name, cell: (u) => <a class="name" href={href("uplinks", u.id)}>{u.name}</a> },
		{ key: "state", head: t("column.state"), cell: (u) => <UplinkState uplink={u} now={state.now} /> },
		{ key: "quality", head: t("uplinks.column.quality"), cell: (u) => <Quality uplink={u} onLook={(test) => look({ id: u.id, test })} /> },
		{ key: "use", head: t("uplinks.column.use"), cell: (u) => <Use uplink={u} all={all} /> },
		{ key: "device", head: t("uplinks.column.device"), cell: (u) => <span class="mono">{u.device}</span> },
		{
			key: "addresses", head: t("uplinks.column.addresses"), quiet: (u) => !u.state?.addresses.length,
			cell: (u) => (
				<>
					{u.state?.addresses.map((address) => (
						<span key={address} class="line mono">
							{address}{isPrivate(address) && <span class="tag">{t("uplinks.private")}</span>}
						</span>
					))}
					{u.state?.gateway && <span class="under">{t("uplinks.by-gateway", { gateway: u.state.gateway })}</span>}
				</>
			),
		},
	];
}

function UplinkState({ uplink, now }: { uplink: Uplink; now: number }) {
	const { state } = uplink;
	const more = why(uplink, now);
	return state && (
		<>
			<UplinkBadge up={state.up} reason={state.reason} />
			{more && <span class="under">{more}</span>}
			{state.since && <span class="under">{formatAge(state.since, now)}</span>}
		</>
	);
}

const targetsShown = 3;

// What there is to say beside the reason.
function why({ health, state }: Uplink, now: number): string | null {
	if (state?.reason === "held" && state.held_until)
		return t("uplinks.why.held", { when: formatUntil(state.held_until, now) });
	if (state?.reason === "no-answer" && health) {
		const some = health.targets.slice(0, targetsShown).join(", ");
		const n = health.targets.length - targetsShown;
		return t("uplinks.why.no-answer", { targets: n > 0 ? t("uplinks.why.more", { targets: some, n }) : some });
	}
	if (state?.reason === "loss" && health?.max_loss_percent != null && state.loss_percent !== null)
		return t("uplinks.why.loss", { loss: state.loss_percent, max: health.max_loss_percent });
	if (state?.reason === "latency" && health?.max_latency_ms != null)
		return t("uplinks.why.latency", { latency: milliseconds(state.latency_ms), max: health.max_latency_ms });
	return null;
}

// A click tells more.
function Quality({ uplink, onLook }: { uplink: Uplink; onLook: (test: boolean) => void }) {
	const { state } = uplink;
	const health = useHealth(uplink, uplink.enabled && uplink.health !== null);
	const measured = state && (state.latency_ms !== null || state.loss_percent !== null);
	return (
		<>
			<button type="button" class="quality" onClick={() => onLook(false)} aria-label={t("uplinks.health", { name: uplink.name })}>
				{health && <Probes samples={health.samples} count={30} height={24} />}
				{measured ? (
					<span class="quality-words">
						{[
							state.latency_ms !== null && milliseconds(state.latency_ms),
							state.loss_percent ? t("uplinks.lost", { n: state.loss_percent }) : null,
						].filter(Boolean).join(" · ")}
					</span>
				) : <span class="link under">{t("uplinks.health.open")}</span>}
			</button>
			{uplink.enabled && (
				<button type="button" class="link under" aria-label={t("uplinks.test.named", { name: uplink.name })} onClick={() => onLook(true)}>
					{t("uplinks.test")}
				</button>
			)}
		</>
	);
}

// Whether it gets new connections, and what share of them.
function Use({ uplink, all }: { uplink: Uplink; all: Uplink[] }) {
	const used = all.filter((u) => u.state?.in_use && u.tier === uplink.tier); // others may be for the other family
	const weights = used.reduce((sum, u) => sum + u.weight, 0);
	const out = uplink.out_of_service;
	const words = !uplink.enabled ? null
		: out ? t("uplinks.use.out")
		: !uplink.state?.in_use ? t(uplink.state?.up ? "uplinks.use.standby" : "uplinks.use.none")
		: used.length > 1 ? t("uplinks.use.share", { percent: Math.round((100 * uplink.weight) / weights) })
		: t("uplinks.use.yes");
	const serve = async () => {
		try {
			told(await change("uplinks", uplink.id, { out_of_service: !out }),
				t(out ? "uplinks.put-back.done" : "uplinks.taken-out", { name: uplink.name }));
		} catch (error) {
			report(error);
		}
	};
	return (
		<>
			{words}
			{words && !out && <span class="under">{t("uplinks.tier", { n: uplink.tier })}</span>}
			{uplink.enabled && (out || all.length > 1) && (
				<button type="button" class="link under" onClick={() => void serve()}>
					{t(out ? "uplinks.put-back" : "uplinks.take-out")}
				</button>
			)}
		</>
	);
}

// --- editing ---

// "auto" and the like are choices; anything else is an address.
const mode = (value: string, words: string[]) => (words.includes(value) ? value : "address");

// What a health check is if nobody says anything.
const checkDefaults = {
	need: "any", interval_ms: "1000", timeout_ms: "1000", down_after: "2", up_after: "3", window: "20", max_loss_percent: "",
	max_latency_ms: "",
};
const numbers = ["interval_ms", "timeout_ms", "down_after", "up_after", "window"] as const;
const limits = ["max_loss_percent", "max_latency_ms"] as const;

function checkValues(health: Health | null) {
	if (!health)
		return { check: "none", targets: "", ...checkDefaults };
	const text = (value: number | null) => (value === null ? "" : String(value));
	return {
		check: health.method, targets: health.targets.join(", "), need: health.need,
		...Object.fromEntries([...numbers, ...limits].map((name) => [name, text(health[name])])),
	};
}

function toHealth(v: Values): object | null {
	if (v.check === "none")
		return null;
	return {
		method: v.check,
		targets: toList(v.targets as string),
		need: v.need,
		...Object.fromEntries(numbers.map((name) => [name, toNumber(v[name] as string)])),
		...Object.fromEntries(limits.map((name) => [name, v[name] === "" ? null : toNumber(v[name] as string)])),
	};
}

type Editable = Omit<Uplink, "id" | "enabled" | "out_of_service">;

function toValues(uplink: Editable): Values {
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
		source_nat6: uplink.source_nat6,
		prefixes: uplink.prefixes.join(", "),
		tier: String(uplink.tier),
		weight: String(uplink.weight),
		sticky: uplink.sticky,
		sticky_timeout_s: String(uplink.sticky_timeout_s),
		...checkValues(uplink.health),
	};
}

const probes = (v: Values) => v.check !== "none";

// Public resolvers, which answer to all three methods.
function suggestTargets(method: string): Partial<FieldSpec> {
	const targets = ["1.1.1.1", "8.8.8.8", "9.9.9.9"].map((address) => (method === "tcp" ? withPort(address, "443") : address));
	const some = targets.join(", ");
	const help = t(method === "tcp" ? "uplinks.targets.help.tcp" : "uplinks.targets.help");
	return {
		help,
		advice: (value, change) => value.trim() ? help : (
			<>
				{help} <button type="button" class="link" onClick={() => change(some)}>{t("uplinks.targets.take", { targets: some })}</button>
			</>
		),
	};
}

const checkLabels: [string, Key][] = [
	["interval_ms", "uplinks.interval"], ["timeout_ms", "uplinks.timeout"], ["down_after", "uplinks.down-after"],
	["up_after", "uplinks.up-after"], ["window", "uplinks.window"], ["max_loss_percent", "uplinks.max-loss"],
	["max_latency_ms", "uplinks.max-latency"],
];

const checkFields: FieldSpec[] = [
	{
		name: "need", label: t("uplinks.need"), help: t("uplinks.need.help"), type: "text", narrow: true, more: true,
		section: t("uplinks.section.health"), covers: ["health/need"], show: probes,
	},
	...checkLabels.map(([name, label]): FieldSpec => ({
		name, label: t(label), type: "number", mono: true, narrow: true, more: true, section: t("uplinks.section.health"),
		covers: [`health/${name}`], optional: name.startsWith("max_"), show: probes,
	})),
];

const editing: Editing<"uplinks"> = {
	kind: "uplinks",
	titleNew: t("uplinks.new"),
	title: (uplink) => t("uplinks.edit", { name: uplink.name }),
	start: (state) => toValues({
		name: "", device: freeDefault(state), gateway: "auto", source_nat: "masquerade", source_nat6: "none", prefixes: [],
		tier: 1, weight: 1, sticky: false, sticky_timeout_s: 600, health: null,
	}),
	toValues,
	toBody: (v) => ({
		name: v.name,
		device: (v.device as string[])[0] ?? "",
		gateway: v.gateway_mode === "none" ? null : v.gateway_mode === "auto" ? "auto" : v.gateway,
		source_nat: v.nat_mode === "address" ? v.source_nat : v.nat_mode,
		source_nat6: v.source_nat6,
		prefixes: toList(v.prefixes as string),
		tier: toNumber(v.tier as string),
		weight: toNumber(v.weight as string),
		sticky: v.sticky,
		sticky_timeout_s: toNumber(v.sticky_timeout_s as string),
		health: toHealth(v),
	}),
	fields: (state) => [
		{ name: "name", label: t("field.name"), help: t("uplinks.name.help"), type: "text" },
		{ name: "device", label: t("uplinks.device"), help: t("uplinks.device.help"), type: "device", links: state.links ?? [] },
		{
			name: "check", label: t("uplinks.check"), help: t("uplinks.check.help"), type: "segments", covers: ["health/method"],
			choices: [
				{ value: "none", label: t("uplinks.check.none") },
				{ value: "icmp", label: t("uplinks.check.icmp") },
				{ value: "tcp", label: t("uplinks.check.tcp") },
				{ value: "dns", label: t("uplinks.check.dns") },
			],
		},
		{
			name: "targets", label: t("uplinks.targets"), type: "text", mono: true, covers: ["health", "health/targets"],
			show: probes, adapt: (v) => suggestTargets(v.check as string),
		},
		...checkFields,
		{
			name: "tier", label: t("uplinks.tier.label"), help: t("uplinks.tier.help"), type: "number", mono: true, narrow: true,
			more: true, section: t("uplinks.section.sharing"),
		},
		{
			name: "weight", label: t("uplinks.weight"), help: t("uplinks.weight.help"), type: "number", mono: true, narrow: true,
			more: true, section: t("uplinks.section.sharing"),
		},
		{
			name: "sticky", label: t("uplinks.sticky"), help: t("uplinks.sticky.help"), type: "check", more: true,
			section: t("uplinks.section.sharing"),
		},
		{
			name: "sticky_timeout_s", label: t("uplinks.sticky-timeout"), type: "number", mono: true, narrow: true, more: true,
			section: t("uplinks.section.sharing"), show: (v) => v.sticky === true,
		},
		{
			name: "gateway_mode", label: t("uplinks.gateway"), help: t("uplinks.gateway.help"), type: "segments", more: true,
			section: t("uplinks.section.addresses"), covers: [],
			choices: [
				{ value: "auto", label: t("uplinks.gateway.auto") },
				{ value: "address", label: t("uplinks.gateway.address") },
				{ value: "none", label: t("uplinks.gateway.none") },
			],
		},
		{
			name: "gateway", label: t("uplinks.gateway.address.label"), type: "text", mono: true, more: true,
			section: t("uplinks.section.addresses"),
			show: (v) => v.gateway_mode === "address",
		},
		{
			name: "nat_mode", label: t("uplinks.source-nat"), help: t("uplinks.source-nat.help"), type: "segments", more: true,
			section: t("uplinks.section.addresses"), covers: [],
			choices: [
				{ value: "masquerade", label: t("uplinks.source-nat.masquerade") },
				{ value: "address", label: t("uplinks.source-nat.address") },
				{ value: "none", label: t("uplinks.source-nat.none") },
			],
		},
		{
			name: "source_nat", label: t("uplinks.source-nat.address.label"), type: "text", mono: true, more: true,
			section: t("uplinks.section.addresses"), show: (v) => v.nat_mode === "address",
		},
		{
			name: "source_nat6", label: t("uplinks.nat6"), help: t("uplinks.nat6.help"), type: "segments", more: true,
			section: t("uplinks.section.ipv6"),
			choices: [
				{ value: "none", label: t("uplinks.nat6.none") },
				{ value: "prefix", label: t("uplinks.nat6.prefix") },
				{ value: "masquerade", label: t("uplinks.nat6.masquerade") },
			],
		},
		{
			name: "prefixes", label: t("uplinks.prefixes"), help: t("uplinks.prefixes.help"), type: "text", mono: true, more: true,
			optional: true, section: t("uplinks.section.ipv6"),
		},
	],
};

// The device with the default route, unless it is an uplink already.
function freeDefault(state: State): string {
	const used = state.collections.uplinks ?? [];
	return state.links?.find((link) => link.default_route && !used.some((u) => u.device === link.name))?.name ?? "";
}
