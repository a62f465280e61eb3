// SPDX-License-Identifier: GPL-2.0-or-later
'use strict';
'require rpc';
'require view';

const callServiceList = rpc.declare({
	object: 'service',
	method: 'list',
	params: [ 'name' ],
	expect: { 'portico': {} }
});

/* A link, not a frame: Portico's page lets no other show it, and its certificate is its own to be accepted. */
return view.extend({
	load: function() {
		return callServiceList('portico');
	},

	render: function(service) {
		const instance = (service.instances || {}).porticod || {};
		const address = 'https://' + window.location.hostname + ':8443/';

		return E('div', { 'class': 'cbi-map' }, [
			E('h2', {}, 'Portico'),
			instance.running ? '' : E('p', { 'class': 'alert-message warning' }, [
				_('Portico is not running.'), ' ', E('code', {}, '/etc/init.d/portico start')
			]),
			E('p', {}, _('Port forwards, uplinks and hairpin are set on a page of their own:')),
			E('p', {}, E('a', { 'href': address, 'target': '_blank', 'rel': 'noreferrer' }, address)),
			E('p', {}, [
				_('The first visit asks for a code, which this command prints on the router:'),
				' ', E('code', {}, 'portico setup-code')
			])
		]);
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});
