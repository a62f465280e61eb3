// SPDX-License-Identifier: GPL-2.0-or-later

interface Props {
	label: string;
	on: boolean;
	onChange: (on: boolean) => void;
}

export function Switch({ label, on, onChange }: Props) {
	return (
		<input type="checkbox" role="switch" class="switch" aria-label={label} checked={on}
			onChange={(e) => onChange(e.currentTarget.checked)} />
	);
}
