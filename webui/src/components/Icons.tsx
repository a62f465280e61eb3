// SPDX-License-Identifier: GPL-2.0-or-later

const paths = {
	plus: "M12 5v14M5 12h14",
	close: "M6 6l12 12M18 6 6 18",
	trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
	pencil: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
	arrow: "M4 12h15M13 6l6 6-6 6",
	left: "M15 5l-7 7 7 7",
	right: "M9 5l7 7-7 7",
	copy: "M9 9h10v11H9zM5 15V4h10",
	search: "M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12zM15.5 15.5 20 20",
	menu: "M4 7h16M4 12h16M4 17h16",
	forwards: "M3 12h12M10 6l6 6-6 6M20 4v16",
	uplinks: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18",
	policies: "M5 4v7a4 4 0 0 0 4 4h10M15 11l4 4-4 4M5 11V4M12 4h7",
	up: "M12 19V6M6 12l6-6 6 6",
	down: "M12 5v13M6 12l6 6 6-6",
	networks: "M4 11l8-7 8 7M6 10v10h12V10M10 20v-6h4v6",
	redirects: "M4 7h9a5 5 0 0 1 5 5v7M14 15l4 4 4-4M4 17h6",
	"source-nats": "M4 8h13M13 4l4 4-4 4M20 16H7M11 12l-4 4 4 4",
	history: "M4.5 9a8 8 0 1 1-.5 3M4 4v5h5M12 8v4.5l3 2",
	backup: "M12 4v10M7.5 10l4.5 4.5 4.5-4.5M4 16v4h16v-4",
	settings: "M4 7h10M18 7h2M4 17h2M10 17h10M16 4.5v5M8 14.5v5",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { name: IconName }) {
	return (
		<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
			<path d={paths[name]} />
		</svg>
	);
}

export function Mark() {
	return (
		<svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
			<path class="mark-roof" d="M3 11 16 4l13 7z" />
			<path d="M5 13h4v12H5zm18 0h4v12h-4zM3 26h26v2.5H3z" />
			<path class="mark-gate" d="M11.5 25v-7a4.5 4.5 0 0 1 9 0v7z" />
		</svg>
	);
}
