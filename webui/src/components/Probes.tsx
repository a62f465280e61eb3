// SPDX-License-Identifier: GPL-2.0-or-later
// The last probes of an uplink as bars: the longer the answer took the higher; red and as high as can be where none
// came, of another colour where it came late.

import { t } from "../texts";
import type { Sample } from "../types";

interface Props {
	samples: Sample[];
	count: number;  // as many bars, the newest at the right
	height: number; // in pixels
}

const step = 4; // pixels from bar to bar

export function Probes({ samples, count, height }: Props) {
	const shown = samples.slice(-count);
	const answered = shown.flatMap((s) => (s.latency_ms === null ? [] : [s.latency_ms]));
	const most = Math.max(1, ...answered);
	const mean = answered.reduce((sum, ms) => sum + ms, 0) / answered.length;
	const label = t("uplinks.health.graph", {
		n: shown.length,
		latency: answered.length ? t("uplinks.health.latency", { ms: mean.toFixed(1) }) : t("uplinks.health.latency.none"),
		lost: shown.filter((s) => s.lost).length,
		late: shown.filter((s) => s.late).length,
	});
	return (
		<svg class="probes" role="img" aria-label={label} viewBox={`0 0 ${count * step} ${height}`} width={count * step} height={height}>
			<title>{label}</title>
			{shown.map((sample, i) => {
				const long = heightOf(sample, most, height);
				return (
					<rect key={sample.at} class={sample.lost ? "probe-lost" : sample.late ? "probe-late" : "probe"}
						x={(count - shown.length + i) * step} y={height - long} width={step - 1} height={long} />
				);
			})}
		</svg>
	);
}

// By the square root: one slow answer does not press all the others to the ground. No bar reaches as high as a lost one.
function heightOf({ lost, latency_ms: ms }: Sample, most: number, height: number): number {
	if (lost)
		return height;
	return ms === null ? 1 : Math.max(2, 0.85 * height * Math.sqrt(ms / most));
}
