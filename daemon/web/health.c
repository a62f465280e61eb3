/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is measured of uplinks, and the test on demand. */
#include "engine/health.h"

#include <errno.h>
#include <time.h>

#include "web/request.h"

static const struct uplink *find_uplink(const struct request *request, struct err *err)
{
	struct object *object = config_find(engine_config(request->web->engine), KIND_UPLINK, request->id);

	if (!object)
		err_set(err, ERR_NOT_FOUND, "there is no uplink %u", request->id);
	return (struct uplink *)object;
}

/* RFC 3339 with milliseconds. */
static json_t *moment(int64_t at_ms)
{
	time_t at = (time_t)(at_ms / 1000);
	char text[40], date[24];
	struct tm parts;

	gmtime_r(&at, &parts);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text, sizeof(text), "%s.%03dZ", date, (int)(at_ms % 1000));
	return json_string(text);
}

static json_t *targets_json(const struct engine *engine, const struct uplink *uplink)
{
	struct health_target targets[HEALTH_TARGETS_MAX];
	unsigned count = engine_health_targets(engine, uplink->object.id, targets);
	json_t *list = json_array();

	for (unsigned i = 0; uplink->health && i < count && i < uplink->health->targets.count; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:o, s:o}", "target", uplink->health->targets.items[i],
						"latency_ms", json_number(targets[i].latency_ms, 2),
						"loss_percent", json_number(targets[i].loss_percent, 1)));
	return list;
}

static json_t *samples_json(const struct engine *engine, uint32_t id)
{
	struct health_sample samples[HEALTH_SAMPLES_MAX];
	unsigned count = engine_health_samples(engine, id, samples);
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++) {
		const struct health_sample *sample = &samples[i];
		double latency_ms = sample->latency_us > 0 ? sample->latency_us / 1000.0 : -1;

		json_array_append_new(list, json_pack("{s:o, s:o, s:b, s:b}", "at", moment(sample->at_ms),
						      "latency_ms", json_number(latency_ms, 2), "lost",
						      sample->latency_us < 0, "late", sample->late));
	}
	return list;
}

static json_t *transitions_json(const struct engine *engine, uint32_t id)
{
	struct health_transition transitions[HEALTH_TRANSITIONS_MAX];
	unsigned count = engine_health_transitions(engine, id, transitions);
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list,
				      json_pack("{s:o, s:b, s:s?}", "at", moment(transitions[i].at_ms), "up",
						transitions[i].up, "reason", transitions[i].reason));
	return list;
}

int uplink_health_get(struct request *request, struct err *err)
{
	const struct engine *engine = request->web->engine;
	const struct uplink *uplink = find_uplink(request, err);

	if (!uplink)
		return -ENOENT;
	request->answer.json = json_pack("{s:o, s:o, s:o}", "targets", targets_json(engine, uplink),
					 "samples", samples_json(engine, request->id), "transitions",
					 transitions_json(engine, request->id));
	return 0;
}

static void on_tested(void *arg, const struct health_test_report *report)
{
	struct request *request = arg;
	json_t *targets = json_array();

	for (unsigned i = 0; i < report->count; i++) {
		const struct health_test_result *result = &report->results[i];

		json_array_append_new(targets,
				      json_pack("{s:s, s:b, s:o, s:s?}", "target", result->target, "answered",
						result->latency_ms >= 0, "latency_ms",
						json_number(result->latency_ms, 2), "error", result->error));
	}
	request->answer.json = json_pack("{s:b, s:o}", "passed", report->passed, "targets", targets);
	request_finish(request, 0);
}

int uplink_test_post(struct request *request, struct err *err)
{
	int rc = find_uplink(request, err) ? 0 : -ENOENT;

	if (rc == 0)
		rc = engine_health_test(request->web->engine, request->id, on_tested, request, err);
	return rc < 0 ? rc : request_wait(request);
}
