// SPDX-License-Identifier: GPL-2.0-or-later
// The API's objects, as far as the page reads them.

export interface Warning { path: string; message: string }

export interface Named {
	id: number;
	name: string;
	enabled?: boolean;
	warnings?: Warning[];
}

export interface ForwardState {
	live: boolean;
	reason: string | null;
	addresses: string[]; // on which it listens
	backends: string[];  // to which it leads now
}

export interface Counters { connections: number; last: string | null }

export interface Forward extends Named {
	enabled: boolean;
	family: "ipv4" | "ipv6";
	protocols: string[];
	uplinks: string[];
	external_ports: string | null;
	internal_address: string;
	internal_network: string | null;
	internal_ports?: string | null;
	pinhole: boolean;
	sources: string[];
	hairpin: boolean;
	backend_sees: "client" | "router";
	comment: string;
	expires_at: string | null;
	schedule: string | null;
	log: boolean;
	counters?: Counters;
	state?: ForwardState;
}

export interface UplinkState {
	up: boolean;
	reason: string | null;
	addresses: string[];
	gateway: string | null;
	since: string | null;
	in_use: boolean;
	loss_percent: number | null;
	latency_ms: number | null;
	jitter_ms: number | null;
	held_until: string | null;
}

// What is measured of an uplink; comes as an event of its own.
export type Measured = Pick<UplinkState, "loss_percent" | "latency_ms" | "jitter_ms">;

export interface Health {
	method: "icmp" | "tcp" | "dns";
	targets: string[];
	need: string;
	interval_ms: number;
	timeout_ms: number;
	down_after: number;
	up_after: number;
	window: number;
	max_loss_percent: number | null;
	max_latency_ms: number | null;
}

export interface Sample { at: string; latency_ms: number | null; lost: boolean; late: boolean }
export interface UplinkHealth {
	targets: { target: string; latency_ms: number | null; loss_percent: number | null }[];
	samples: Sample[];
	transitions: { at: string; up: boolean; reason: string | null }[];
}
export interface UplinkTest {
	passed: boolean;
	targets: { target: string; answered: boolean; latency_ms: number | null; error: string | null }[];
}

export type UplinkStatus = { name: string; id: number } & UplinkState;

export interface Uplink extends Named {
	enabled: boolean;
	device: string;
	gateway: string | null;
	source_nat: string;
	source_nat6: "none" | "prefix" | "masquerade";
	prefixes: string[];
	weight: number;
	tier: number;
	sticky: boolean;
	sticky_timeout_s: number;
	out_of_service: boolean;
	health: Health | null;
	state?: UplinkState;
}

export interface Policy extends Named {
	enabled: boolean;
	position: number;
	sources: string[];
	destinations: string[];
	protocol: string | null;
	ports: string | null;
	uplinks: string[];
	otherwise: "any" | "unreachable";
	state?: { ipv4?: string | null; ipv6?: string | null };
}

export interface Network extends Named {
	devices: string[];
	prefixes: string[];
	hairpin: "on" | "off";
	hairpin_source: "router" | "external";
	state?: { prefixes: string[]; addresses: string[] };
}

export interface Redirect extends Named {
	enabled: boolean;
	network: string;
	protocol: string;
	port: number;
	to_port: number;
	except: string[];
}

export interface SourceNat extends Named {
	enabled: boolean;
	sources: string[];
	uplink: string;
	address: string;
}

export interface Settings {
	firewall: "auto" | "own" | "beside";
	manage_sysctls: boolean;
	admin_from_uplinks: boolean;
	history_length: number;
	language: "en" | "zh";
	last_resort: "main" | "unreachable";
}

export interface Link {
	name: string;
	up: boolean;
	addresses: string[];
	default_route: boolean;
	gateway: string | null;
}

export interface Kernel {
	in_sync: boolean;
	last_error: string | null;
	mended: number;
	last_mended: string | null;
	last_found: string[];
	retry_in_s: number | null;
	failures: { step: string; message: string }[];
}

export interface Trial {
	remaining_s: number;
	revision: number;
	confirmed_revision: number;
	failure: string | null; // why the return cannot be written down
	reached?: boolean;      // of an answer: it came over a connection made after the change
}

export interface Status {
	version: string;
	revision: number;
	trial: Trial | null;
	hostname: string;
	database: { failure: string | null }; // why every change is refused
	kernel: Kernel;
	firewall: { mode: "own" | "beside"; fw4: boolean; include: boolean | null };
	uplinks: UplinkStatus[];
	forwards: { total: number; live: number };
	features: string[];
}

export interface Change {
	kind: string;
	id: number;
	name: string | null;
	what: "added" | "changed" | "removed";
	fields: string[]; // those that differ, as paths: "health/window"
	before: Record<string, unknown> | null;
	after: Record<string, unknown> | null;
}

interface RevisionHead {
	number: number;
	at: string | null;
	author: string;
	reason: string;
	confirmation: { at: string | null; author: string } | null; // who kept it, if it was on trial
}
export type RevisionItem = RevisionHead & { changes: Pick<Change, "kind" | "id" | "name" | "what">[]; more: number };
export type Revision = RevisionHead & { changes: Change[] };

export interface Token {
	id: number;
	name: string;
	role: "admin" | "viewer";
	used_at: string | null;
}

interface PlanAnswer { changes: Change[]; kernel: string[] }
export type RestoreAnswer = PlanAnswer & {
	backup: { made_by: string; at: string; hostname: string; revision: number };
	secrets: "password"[];
	missing_devices: string[];
};

export interface ImportLine {
	line: number;
	text: string;
	understood: boolean;
	became: string | null; // "forward web"
	what: "added" | "changed" | null; // what happens to that
	message: string | null;
}
export type ImportAnswer = PlanAnswer & { format: string; objects: object[]; lines: ImportLine[] };

// The collections, by their path in the API.
export interface Kinds {
	forwards: Forward;
	uplinks: Uplink;
	networks: Network;
	redirects: Redirect;
	"source-nats": SourceNat;
	policies: Policy;
}
export type Kind = keyof Kinds;

export type Collections = { [K in Kind]: Kinds[K][] | null };
