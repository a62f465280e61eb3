// SPDX-License-Identifier: GPL-2.0-or-later

import { useLayoutEffect, useRef } from "preact/hooks";
import type { Editing } from "../components/Editor";
import { Icon } from "../components/Icons";
import { CollectionPage } from "../components/Page";
import type { Column } from "../components/Table";
import { toList } from "../entries";
import { href, type Route } from "../router";
import { change, report, type State } from "../store";
import { t } from "../texts";
import type { Policy } from "../types";

export function Policies({ state, route }: { state: State; route: Route }) {
	const ordered = [...(state.collections.policies ?? [])].sort(inOrder);
	const order = ordered.map((p) => p.id).join();
	const moved = useRef<string | null>(null); // the button that moved a policy: its row may lose the focus on the way
	useLayoutEffect(() => {
		if (moved.current && document.activeElement === document.body)
			document.getElementById(moved.current)?.focus();
		moved.current = null;
	}, [order]);
	const onMove = (from: number, to: number, button: string) => {
		moved.current = button;
		void move(ordered, from, to);
	};
	return (
		<CollectionPage editing={editing} columns={columns(ordered, onMove)} switchable state={state} route={route} order={inOrder}
			searchText={(p) => [p.name, ...p.sources, ...p.destinations, p.ports ?? "", ...p.uplinks].join(" ")} />
	);
}

function inOrder(a: Policy, b: Policy): number {
	return a.position - b.position || a.id - b.id;
}

type OnMove = (from: number, to: number, button: string) => void;

function columns(ordered: Policy[], onMove: OnMove): Column<Policy>[] {
	return [
		{ key: "name", head: t("column.name"), cell: (p) => <a class="name" href={href("policies", p.id)}>{p.name}</a> },
		{ key: "what", head: t("policies.column.what"), cell: (p) => <What policy={p} /> },
		{
			key: "uplinks", head: t("policies.column.uplinks"),
			cell: (p) => p.uplinks.length === 0 ? t(`policies.only.${p.otherwise}`)
				: <>{p.uplinks.join(", ")}<span class="under">{t(`policies.else.${p.otherwise}`)}</span></>,
		},
		{ key: "now", head: t("policies.column.now"), quiet: (p) => !p.enabled, cell: (p) => p.enabled && <Now policy={p} /> },
		{ key: "order", head: t("policies.column.order"), cell: (p) => <Mover policy={p} ordered={ordered} onMove={onMove} /> },
	];
}

function What({ policy: { sources, destinations, protocol, ports } }: { policy: Policy }) {
	const lines = [
		sources.length && t("policies.from", { what: sources.join(", ") }),
		destinations.length && t("policies.to", { what: destinations.join(", ") }),
		ports && t("policies.port", { ports }),
	].filter(Boolean);
	return (
		<>
			{lines.length ? lines.map((line) => <span key={line} class="line">{line}</span>) : t("policies.everything")}
			{protocol && <span class="tag">{protocol}</span>}
		</>
	);
}

function Now({ policy: { state = {}, otherwise } }: { policy: Policy }) {
	const say = (uplink: string | null) => uplink ?? t(otherwise === "unreachable" ? "policies.now.blocked" : "policies.now.none");
	const { ipv4, ipv6 } = state;
	if (ipv4 === undefined || ipv6 === undefined || ipv4 === ipv6)
		return <>{say(ipv4 ?? ipv6 ?? null)}</>;
	return (
		<>
			<span class="line">{t("policies.now.family", { family: "IPv4", uplink: say(ipv4) })}</span>
			<span class="line">{t("policies.now.family", { family: "IPv6", uplink: say(ipv6) })}</span>
		</>
	);
}

const step = 10; // so that one more finds room between two

function Mover({ policy, ordered, onMove }: { policy: Policy; ordered: Policy[]; onMove: OnMove }) {
	const at = ordered.findIndex((p) => p.id === policy.id);
	return (
		<span class="movers">
			{(["up", "down"] as const).map((way) => {
				const to = way === "up" ? at - 1 : at + 1;
				const possible = to >= 0 && to < ordered.length;
				const id = `${way}-${policy.id}`;
				return (
					<button key={way} id={id} type="button" class="icon-button" aria-disabled={!possible}
						aria-label={t(`policies.${way}`, { name: policy.name })}
						onClick={() => possible && onMove(at, to, id)}><Icon name={way} /></button>
				);
			})}
		</span>
	);
}

// Only those are written whose position must be another one, in an order in which none passes one that it shall not.
async function move(ordered: Policy[], from: number, to: number): Promise<void> {
	const wanted = [...ordered];
	wanted.splice(to, 0, ...wanted.splice(from, 1));
	try {
		for (const [i, policy] of [...wanted.entries()].reverse())
			if (policy.position !== (i + 1) * step)
				await change("policies", policy.id, { position: (i + 1) * step });
	} catch (error) {
		report(error);
	}
}

const protocols = ["tcp", "udp", "icmp", "icmpv6", "sctp", "gre", "esp"];

const editing: Editing<"policies"> = {
	kind: "policies",
	titleNew: t("policies.new"),
	title: (policy) => t("policies.edit", { name: policy.name }),
	start: (state) => ({
		name: "", sources: "", destinations: "", protocol: "", ports: "", otherwise: "any",
		uplinks: [],
		position: String(Math.max(0, ...(state.collections.policies ?? []).map((p) => p.position)) + step),
	}),
	toValues: (p) => ({
		name: p.name, sources: p.sources.join(", "), destinations: p.destinations.join(", "), protocol: p.protocol ?? "",
		ports: p.ports ?? "", uplinks: p.uplinks, otherwise: p.otherwise, position: String(p.position),
	}),
	toBody: (v) => ({
		name: v.name,
		sources: toList(v.sources as string),
		destinations: toList(v.destinations as string),
		protocol: v.protocol || null,
		ports: v.ports || null,
		uplinks: v.uplinks,
		otherwise: v.otherwise,
		position: Number(v.position),
	}),
	fields: (state) => [
		{ name: "name", label: t("field.name"), help: t("policies.name.help"), type: "text" },
		{
			name: "sources", label: t("policies.sources"), help: t("policies.sources.help"), type: "text", mono: true, optional: true,
		},
		{
			name: "destinations", label: t("policies.destinations"), help: t("policies.destinations.help"), type: "text", mono: true,
			optional: true,
		},
		{
			name: "protocol", label: t("policies.protocol"), type: "select",
			choices: [{ value: "", label: t("policies.protocol.any") }, ...protocols.map((p) => ({ value: p, label: p }))],
		},
		{ name: "ports", label: t("policies.ports"), help: t("policies.ports.help"), type: "text", mono: true, optional: true },
		{
			name: "uplinks", label: t("policies.uplinks"), help: t("policies.uplinks.help"), type: "order",
			choices: (state.collections.uplinks ?? []).map((u) => ({ value: u.name, label: u.device })),
		},
		{
			name: "otherwise", label: t("policies.otherwise"), help: t("policies.otherwise.help"), type: "segments",
			choices: [
				{ value: "any", label: t("policies.otherwise.any") },
				{ value: "unreachable", label: t("policies.otherwise.unreachable") },
			],
		},
	],
};
