// SPDX-License-Identifier: GPL-2.0-or-later
// Differences between configurations in the words of the forms.

import { formatTime, t, type Key } from "./texts";
import type { Change } from "./types";

// What the forms call the fields; others go by the name that they have in the API.
const labels: Record<string, Record<string, Key>> = {
	forward: {
		external_ports: "forwards.ports", protocols: "forwards.protocols", internal_address: "forwards.address",
		internal_ports: "forwards.internal-ports", internal_network: "forwards.network", pinhole: "changes.pinhole",
		sources: "forwards.sources", uplinks: "forwards.uplinks", hairpin: "forwards.hairpin",
		backend_sees: "forwards.sees", comment: "forwards.comment", log: "forwards.log",
		schedule: "forwards.schedule", expires_at: "forwards.expires",
	},
	uplink: {
		device: "uplinks.device", gateway: "uplinks.gateway", source_nat: "uplinks.source-nat", source_nat6: "uplinks.nat6",
		prefixes: "uplinks.prefixes", weight: "uplinks.weight", tier: "uplinks.tier.label", sticky: "uplinks.sticky",
		sticky_timeout_s: "uplinks.sticky-timeout", out_of_service: "changes.out-of-service", health: "uplinks.check",
		"health/method": "uplinks.check", "health/targets": "uplinks.targets", "health/need": "uplinks.need",
		"health/interval_ms": "uplinks.interval", "health/timeout_ms": "uplinks.timeout",
		"health/down_after": "uplinks.down-after", "health/up_after": "uplinks.up-after", "health/window": "uplinks.window",
		"health/max_loss_percent": "uplinks.max-loss", "health/max_latency_ms": "uplinks.max-latency",
	},
	policy: {
		sources: "policies.sources", destinations: "policies.destinations", protocol: "policies.protocol",
		ports: "policies.ports", uplinks: "policies.uplinks", otherwise: "policies.otherwise", position: "changes.position",
	},
	network: {
		devices: "networks.devices", prefixes: "networks.prefixes", hairpin: "networks.hairpin",
		hairpin_source: "networks.source",
	},
	redirect: {
		network: "redirects.network", protocol: "redirects.protocol", port: "redirects.port",
		to_port: "redirects.to-port", except: "redirects.except",
	},
	source_nat: { sources: "source-nats.sources", uplink: "source-nats.uplink", address: "source-nats.address" },
	settings: {
		firewall: "settings.firewall", manage_sysctls: "settings.sysctls", admin_from_uplinks: "settings.admin",
		history_length: "settings.history", last_resort: "settings.last-resort",
	},
};
const common: Record<string, Key> = { name: "field.name", enabled: "changes.enabled" };

// null: the forms have no name for it.
export function fieldLabel(kind: string, path: string): string | null {
	const key = labels[kind]?.[path] ?? common[path];
	return key ? t(key) : null;
}

const kinds: Record<string, Key> = {
	forward: "kind.forward", uplink: "kind.uplink", network: "kind.network", redirect: "kind.redirect",
	source_nat: "kind.source_nat", policy: "kind.policy", settings: "kind.settings",
};

// "Forward web changed"
export function changeWords({ kind, name, what }: { kind: string; name: string | null; what: Change["what"] }): string {
	const key = kinds[kind];
	return t(`changes.${what}`, { what: [key ? t(key) : kind, name].filter(Boolean).join(" ") });
}

export interface Line { path: string; before: unknown; after: unknown }

// The fields that differ; of what came or went, those that say something.
export function changeLines(change: Change): Line[] {
	if (change.what === "changed")
		return change.fields.map((path) => ({ path, before: valueAt(change.before, path), after: valueAt(change.after, path) }));
	const object = change.before ?? change.after ?? {};
	return Object.entries(object)
		.filter(([path, value]) => !["id", "name"].includes(path) && !isEmpty(value) && value !== false)
		.map(([path, value]) => ({ path, before: change.before && value, after: change.after && value }));
}

function valueAt(object: unknown, path: string): unknown {
	return path.split("/").reduce<unknown>((value, key) => (value as Record<string, unknown> | null)?.[key], object);
}

export function isEmpty(value: unknown): boolean {
	return value === null || value === undefined || value === "" || (Array.isArray(value) && value.length === 0);
}

export function valueWords(value: unknown): string {
	if (typeof value === "boolean")
		return t(value ? "conflict.yes" : "conflict.no");
	if (Array.isArray(value))
		return value.map(valueWords).join(", ") || t("conflict.nothing");
	if (typeof value === "object" && value !== null)
		return Object.entries(value).map(([key, member]) => `${key}: ${valueWords(member)}`).join("; ");
	if (typeof value === "string" && /^\d{4}-\d\d-\d\dT[\d:]+Z$/.test(value))
		return formatTime(value);
	return value === null || value === undefined || value === "" ? t("conflict.nothing") : String(value);
}
