/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Backup and restore. What a passphrase needs is computed by the worker thread. */
#include "model/backup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "web/events.h"

#define PASSPHRASE_MEMBER                                       \
	{                                                       \
		"passphrase", MEMBER_TEXT, false, PASSWORD_MAX, \
	}

/* What the worker thread gets, and gives back. */
struct seal_job {
	char passphrase[PASSWORD_MAX + 1];
	struct seal seal;
	int rc;
	size_t length;        /* of what is to be encrypted or decrypted, in place */
	size_t header_length; /* of the seal's header, behind it */
	unsigned char data[];
};

/* The request's job, with room for `size` bytes. NULL when out of memory. */
static struct seal_job *job_new(struct request *request, const char *passphrase, const struct seal *seal,
				size_t size, const char *header)
{
	size_t header_length = strlen(header);
	struct seal_job *job = calloc(1, sizeof(*job) + size + header_length);

	if (!job)
		return NULL;
	snprintf(job->passphrase, sizeof(job->passphrase), "%s", passphrase);
	job->seal = *seal;
	job->length = size;
	job->header_length = header_length;
	memcpy(job->data + size, header, header_length);
	request->data = job;
	request->data_size = sizeof(*job) + size + header_length;
	return job;
}

/* --- backup --- */

static void close_work(void *data)
{
	struct seal_job *job = data;

	job->rc = seal_close(&job->seal, job->passphrase, job->data + job->length, job->header_length,
			     job->data, job->length);
}

static int close_done(struct request *request, struct err *err)
{
	const struct seal_job *job = request->data;
	json_t *header = request->answer.json;

	(void)err;
	if (job->rc < 0)
		return job->rc;
	request->answer.json = backup_sealed(header, &job->seal, job->data, job->length);
	json_decref(header);
	return 0;
}

/* The answer is the document's header until the rest is computed. */
static int seal_content(struct request *request, const char *passphrase, const json_t *header,
			const json_t *content, struct err *err)
{
	char *text = backup_canonical(content), *seal_header = NULL;
	struct seal_job *job = NULL;
	struct seal seal;

	seal_init(&seal);
	request->answer.json = backup_sealed_header(header, &seal);
	if (request->answer.json)
		seal_header = backup_canonical(request->answer.json);
	if (text && seal_header)
		job = job_new(request, passphrase, &seal, strlen(text), seal_header);
	if (job)
		memcpy(job->data, text, job->length);
	if (text)
		secret_wipe(text, strlen(text));
	free(text);
	free(seal_header);
	return job ? request_defer(request, close_work, close_done, err) : -ENOMEM;
}

static int check_passphrase(const char *passphrase, bool secrets, struct err *err)
{
	if (!passphrase && secrets)
		return err_field(err, "/passphrase", "is required: secrets leave the router encrypted only");
	if (passphrase && strlen(passphrase) < PASSWORD_MIN)
		return err_field(err, "/passphrase", "must be at least %d bytes long", PASSWORD_MIN);
	return 0;
}

int backup_post(struct request *request, struct err *err)
{
	static const struct member members[] = { PASSPHRASE_MEMBER, { "secrets", MEMBER_FLAG, false, 0 } };
	const struct engine *engine = request->web->engine;
	const json_t *values[2];
	char hostname[HOSTNAME_MAX];
	struct backup_origin origin = {
		.made_by = "portico " PORTICO_VERSION,
		.at = time(NULL),
		.hostname = hostname_get(hostname, sizeof(hostname)),
		.revision = engine_revision(engine),
	};
	int r = body_members(request, members, 2, values, err);

	if (r < 0)
		return r;
	const char *passphrase = json_string_value(values[0]);
	bool secrets = json_is_true(values[1]);

	r = check_passphrase(passphrase, secrets, err);
	if (r < 0)
		return r;

	json_t *header = backup_header(&origin);
	json_t *content = backup_content_new(engine_config(engine),
					     secrets ? request->web->auth.password_hash : NULL);

	if (!header || !content)
		r = -ENOMEM;
	else if (passphrase)
		r = seal_content(request, passphrase, header, content, err);
	else
		request->answer.json = backup_plain(header, content);
	json_decref(content);
	json_decref(header);
	return r;
}

/* --- restore --- */

enum restore_member { DOCUMENT, PASSPHRASE, DRY_RUN, DEVICES, SECRETS, RESTORE_MEMBERS };

static const struct member restore_members[RESTORE_MEMBERS] = {
	[DOCUMENT] = { "document", MEMBER_ANY, true, 0 }, [PASSPHRASE] = PASSPHRASE_MEMBER,
	[DRY_RUN] = { "dry_run", MEMBER_FLAG, false, 0 }, [DEVICES] = { "devices", MEMBER_ANY, false, 0 },
	[SECRETS] = { "secrets", MEMBER_FLAG, false, 0 },
};

static const json_t *restore_member(const struct request *request, enum restore_member member)
{
	return json_object_get(request->json, restore_members[member].name);
}

/* The configuration is in force already: what fails now must be told for itself. */
static int restore_password(struct request *request, const char *password_hash, struct err *err)
{
	int r = password_replace(request, password_hash, err);

	if (r < 0)
		return err_set(err, ERR_INTERNAL,
			       "the configuration has been restored, but not the password: %.256s",
			       err->kind == ERR_NONE ? strerror(-r) : err->detail);
	log_info("the password is that of the backup");
	return 0;
}

/* What the configuration would change, and what it needs that is not here, into the answer. */
static int describe(struct request *request, const struct config *next, struct err *err)
{
	struct engine *engine = request->web->engine;
	json_t *plan = NULL;
	int r = engine_plan(engine, next, &plan, err);

	if (r < 0)
		return r;
	r = changes_explain(json_object_get(plan, "changes"));
	json_object_update(request->answer.json, plan);
	json_decref(plan);
	json_object_set_new(request->answer.json, "missing_devices",
			    backup_missing_devices(next, engine_links(engine)));
	return r;
}

/* `sealed`: the content was encrypted, so that only who has the passphrase can have written it. */
static int restore(struct request *request, json_t *content, bool sealed, struct err *err)
{
	bool dry_run = json_is_true(restore_member(request, DRY_RUN));
	const json_t *devices = restore_member(request, DEVICES);
	const json_t *origin = json_object_get(request->answer.json, "backup");
	char reason[2 * HOSTNAME_MAX + 64];
	struct backup_content parts;
	struct config *next = NULL;
	int r = backup_content(content, &parts, err);

	if (r == 0 && devices)
		r = backup_map_devices(parts.config, devices, err);
	if (r < 0)
		return r;
	if (json_is_false(restore_member(request, SECRETS)))
		parts.password_hash = NULL;
	if (parts.password_hash && !sealed) /* whoever could get at the file would log in with his own */
		return err_field(err, "/document/content/secrets",
				 "must not be there: only an encrypted backup can bring a password");
	json_object_set_new(request->answer.json, "dry_run", json_boolean(dry_run));
	json_object_set_new(request->answer.json, "secrets",
			    parts.password_hash ? json_pack("[s]", "password") : json_array());

	r = config_from_json(parts.config, engine_config(request->web->engine), &next, err);
	if (r == 0)
		r = describe(request, next, err);
	if (r < 0 || dry_run) {
		err_prefix(err, "/document/content/config");
		config_unref(next);
		return r;
	}
	snprintf(reason, sizeof(reason), "restored the backup of %s, %s",
		 json_string_value(json_object_get(origin, "hostname")),
		 json_string_value(json_object_get(origin, "at")));
	r = request_commit(request, next, NULL, reason, err);
	return r == 0 && parts.password_hash ? restore_password(request, parts.password_hash, err) : r;
}

static void open_work(void *data)
{
	struct seal_job *job = data;

	job->rc = seal_open(&job->seal, job->passphrase, job->data + job->length, job->header_length,
			    job->data, job->length);
}

static int open_done(struct request *request, struct err *err)
{
	const struct seal_job *job = request->data;
	json_t *content = NULL;
	int r = 0;

	if (job->rc == -EACCES)
		r = err_field(err, "/passphrase", "is not the one that the backup was made with");
	else if (job->rc == -EBADMSG)
		r = err_field(err, "/document/ciphertext",
			      "is damaged, or was changed after it was made; the passphrase is right");
	else if (job->rc < 0)
		r = job->rc;
	else if (!body_has_too_many((const char *)job->data, job->length))
		content = json_loadb((const char *)job->data, job->length, JSON_REJECT_DUPLICATES, NULL);
	if (r == 0 && !content)
		r = err_field(err, "/document/ciphertext", "holds no content");
	if (r == 0)
		r = access_check_again(request, err);
	if (r == 0)
		r = restore(request, content, true, err);
	json_decref(content);
	return r;
}

static int open_sealed(struct request *request, const struct backup *backup, const char *passphrase,
		       struct err *err)
{
	size_t size = backup->ciphertext_length / 4 * 3 + 3, length;
	struct seal_job *job = job_new(request, passphrase, &backup->seal, size, backup->seal_header);

	if (!job)
		return -ENOMEM;
	if (base64_decode(backup->ciphertext, backup->ciphertext_length, job->data, size, &length) < 0)
		return err_field(err, "/document/ciphertext", "must be base64");
	memmove(job->data + length, job->data + size, job->header_length);
	job->length = length;
	return request_defer(request, open_work, open_done, err);
}

int restore_post(struct request *request, struct err *err)
{
	const json_t *values[RESTORE_MEMBERS];
	struct backup backup = { 0 };
	int r = body_members(request, restore_members, RESTORE_MEMBERS, values, err);

	if (r == 0)
		r = backup_read((json_t *)values[DOCUMENT], &backup, err);
	if (r < 0)
		return r;
	const char *passphrase = json_string_value(values[PASSPHRASE]);

	bool sealed = backup.seal_header;

	request->answer.json = json_pack("{s:O}", "backup", backup.origin);
	if (sealed && !passphrase)
		r = err_field(err, "/passphrase", "is required: the backup is encrypted");
	else if (!sealed && passphrase)
		/* Who gives one expects that nobody could change the backup. */
		r = err_field(err, "/passphrase", "must not be given: this backup is not encrypted");
	else if (sealed)
		r = open_sealed(request, &backup, passphrase, err);
	else
		r = restore(request, backup.content, false, err);
	backup_done(&backup);
	return r;
}
