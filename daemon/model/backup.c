/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/backup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/schema.h"

#define FORMAT "portico-backup"
#define KDF    "pbkdf2-hmac-sha256"
#define CIPHER "aes-256-gcm"

enum { HEADER_TEXT_MAX = 256 }; /* a host's name, a program and its version */

char *backup_canonical(const json_t *json)
{
	return json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

/* --- making --- */

json_t *backup_header(const struct backup_origin *origin)
{
	char at[TIME_TEXT_MAX];

	return json_pack("{s:s, s:i, s:s, s:s, s:s, s:I}", "format", FORMAT, "version", BACKUP_VERSION,
			 "made_by", origin->made_by, "at", time_format(origin->at, at), "hostname",
			 origin->hostname, "revision", (json_int_t)origin->revision);
}

json_t *backup_content_new(const struct config *config, const char *password_hash)
{
	json_t *content = json_pack("{s:o}", "config", config_to_json(config));

	if (content && password_hash)
		json_object_set_new(content, "secrets", json_pack("{s:s}", "password", password_hash));
	return content;
}

/* The sum of what `checksum` stands for, see backup.h. */
static int checksum(const json_t *document, char ret_text[SHA256_TEXT_MAX])
{
	json_t *content = json_object_get(document, "content"), *summed;
	char *text;
	int r = -ENOMEM;

	if (content) {
		summed = json_incref(content);
	} else {
		summed = json_copy((json_t *)document);
		json_object_del(summed, "checksum");
	}
	text = summed ? backup_canonical(summed) : NULL;
	if (text)
		r = sha256_text(text, strlen(text), ret_text);
	free(text);
	json_decref(summed);
	return r;
}

static json_t *with_checksum(json_t *document)
{
	char sum[SHA256_TEXT_MAX];

	if (document && checksum(document, sum) == 0 &&
	    json_object_set_new(document, "checksum", json_string(sum)) == 0)
		return document;
	json_decref(document);
	return NULL;
}

json_t *backup_plain(const json_t *header, json_t *content)
{
	json_t *document = json_copy((json_t *)header);

	json_object_set(document, "content", content);
	return with_checksum(document);
}

static int set_bytes(json_t *object, const char *key, const void *data, size_t length)
{
	char *text = base64_encode(data, length);
	int r = text ? json_object_set_new(object, key, json_string(text)) : -1;

	free(text);
	return r;
}

json_t *backup_sealed_header(const json_t *header, const struct seal *seal)
{
	json_t *encryption = json_pack("{s:s, s:I, s:s}", "kdf", KDF, "iterations",
				       (json_int_t)seal->iterations, "cipher", CIPHER);
	json_t *sealed = json_copy((json_t *)header);

	if (set_bytes(encryption, "salt", seal->salt, sizeof(seal->salt)) == 0 &&
	    set_bytes(encryption, "nonce", seal->nonce, sizeof(seal->nonce)) == 0 &&
	    json_object_set(sealed, "encryption", encryption) == 0) {
		json_decref(encryption);
		return sealed;
	}
	json_decref(encryption);
	json_decref(sealed);
	return NULL;
}

json_t *backup_sealed(const json_t *sealed_header, const struct seal *seal, const void *data, size_t length)
{
	json_t *document = json_deep_copy(sealed_header);
	json_t *encryption = json_object_get(document, "encryption");

	if (set_bytes(encryption, "check", seal->check, sizeof(seal->check)) == 0 &&
	    set_bytes(encryption, "tag", seal->tag, sizeof(seal->tag)) == 0 &&
	    set_bytes(document, "ciphertext", data, length) == 0)
		return with_checksum(document);
	json_decref(document);
	return NULL;
}

/* --- reading --- */

/* An object that has members of these names, a list ended by NULL, and no others; `optional` may be absent. */
static int check_members(const json_t *object, const char *base, const char *const *names,
			 const char *optional, struct err *err)
{
	char path[ERR_PATH_MAX];
	const char *key;
	json_t *value;
	int result = 0;

	if (!json_is_object(object))
		return err_field(err, base, "must be an object");
	json_object_foreach((json_t *)object, key, value) if (!text_is_one_of(key, names))
		result = err_field(err, path_join(path, base, key), "is not part of a backup");
	for (; *names; names++)
		if (!json_object_get(object, *names) && (!optional || strcmp(*names, optional) != 0))
			result = err_field(err, path_join(path, base, *names), "is missing");
	return result;
}

static int check_format(const json_t *document, struct err *err)
{
	const char *format = json_string_value(json_object_get(document, "format"));
	const json_t *version = json_object_get(document, "version");
	const char *made_by = json_string_value(json_object_get(document, "made_by"));

	if (!json_is_object(document))
		return err_field(err, "/document", "must be the document of a backup, a JSON object");
	if (!format || strcmp(format, FORMAT) != 0)
		return err_field(err, "/document/format",
				 "is not \"" FORMAT "\": this is no backup of Portico");
	if (!json_is_integer(version) || json_integer_value(version) < 1)
		return err_field(err, "/document/version", "must be the number of the backup's format");
	if (json_integer_value(version) > BACKUP_VERSION)
		return err_field(
			err, "/document/version",
			"is a newer format than this version of Portico knows, which is %d; it was made by "
			"%.64s",
			BACKUP_VERSION, made_by ? made_by : "a newer one");
	return 0;
}

/* Only what was written here is taken for an origin: it is shown to people. */
static int check_origin(const json_t *document, struct err *err)
{
	static const char *const texts[] = { "made_by", "at", "hostname" };
	const json_t *revision = json_object_get(document, "revision");
	char path[ERR_PATH_MAX];
	int64_t at;
	int result = 0;

	for (unsigned i = 0; i < 3; i++) {
		const json_t *value = json_object_get(document, texts[i]);

		if (!json_is_string(value) || json_string_length(value) > HEADER_TEXT_MAX)
			result = err_field(err, path_join(path, "/document", texts[i]),
					   "must be a text of at most %d bytes", HEADER_TEXT_MAX);
		else if (strcmp(texts[i], "at") == 0 && time_parse(json_string_value(value), &at) < 0)
			result = err_field(err, "/document/at", "must be a time");
	}
	if (!json_is_integer(revision) || json_integer_value(revision) < 0)
		result = err_field(err, "/document/revision", "must be the number of a revision");
	return result;
}

static int check_sum(const json_t *document, struct err *err)
{
	const char *stated = json_string_value(json_object_get(document, "checksum"));
	char sum[SHA256_TEXT_MAX];
	int r = checksum(document, sum);

	if (r == -ENOMEM)
		return err_memory(err);
	if (r < 0)
		return err_set(err, ERR_INTERNAL, "no checksum can be made");
	if (!stated || strcmp(stated, sum) != 0)
		return err_field(err, "/document/checksum",
				 "the document is damaged, or was changed after it was made");
	return 0;
}

static int read_bytes(const json_t *encryption, const char *key, void *data, size_t size, struct err *err)
{
	const json_t *value = json_object_get(encryption, key);
	char path[ERR_PATH_MAX];
	size_t length;

	if (json_is_string(value) &&
	    base64_decode(json_string_value(value), json_string_length(value), data, size, &length) == 0 &&
	    length == size)
		return 0;
	return err_field(err, path_join(path, "/document/encryption", key), "must be %zu bytes in base64",
			 size);
}

static int check_word(const json_t *encryption, const char *key, const char *word, struct err *err)
{
	const char *value = json_string_value(json_object_get(encryption, key));
	char path[ERR_PATH_MAX];

	if (value && strcmp(value, word) == 0)
		return 0;
	return err_field(err, path_join(path, "/document/encryption", key), "must be \"%s\"", word);
}

static int read_seal(const json_t *encryption, struct seal *seal, struct err *err)
{
	static const char *const members[] = {
		"kdf", "iterations", "salt", "check", "cipher", "nonce", "tag", NULL,
	};
	const json_t *iterations = json_object_get(encryption, "iterations");
	int result = check_members(encryption, "/document/encryption", members, NULL, err);

	if (result < 0)
		return result;
	if (check_word(encryption, "kdf", KDF, err) < 0 ||
	    check_word(encryption, "cipher", CIPHER, err) < 0 ||
	    read_bytes(encryption, "salt", seal->salt, sizeof(seal->salt), err) < 0 ||
	    read_bytes(encryption, "check", seal->check, sizeof(seal->check), err) < 0 ||
	    read_bytes(encryption, "nonce", seal->nonce, sizeof(seal->nonce), err) < 0 ||
	    read_bytes(encryption, "tag", seal->tag, sizeof(seal->tag), err) < 0)
		return -EINVAL;
	if (!json_is_integer(iterations) || json_integer_value(iterations) < SEAL_ITERATIONS_MIN ||
	    json_integer_value(iterations) > SEAL_ITERATIONS_MAX)
		return err_field(err, "/document/encryption/iterations", "must be a number from %d to %d",
				 SEAL_ITERATIONS_MIN, SEAL_ITERATIONS_MAX);
	seal->iterations = (unsigned)json_integer_value(iterations);
	return 0;
}

/* The document as it was when it was sealed. */
static char *seal_header(const json_t *document)
{
	json_t *header = json_copy((json_t *)document);
	json_t *encryption = json_copy(json_object_get(document, "encryption"));
	char *text = NULL;

	json_object_del(header, "checksum");
	json_object_del(header, "ciphertext");
	json_object_del(encryption, "check");
	json_object_del(encryption, "tag");
	if (json_object_set(header, "encryption", encryption) == 0)
		text = backup_canonical(header);
	json_decref(encryption);
	json_decref(header);
	return text;
}

static int read_sealed(const json_t *document, struct backup *backup, struct err *err)
{
	const json_t *ciphertext = json_object_get(document, "ciphertext");
	int r = read_seal(json_object_get(document, "encryption"), &backup->seal, err);

	if (r < 0)
		return r;
	if (!json_is_string(ciphertext))
		return err_field(err, "/document/ciphertext", "must be a text");
	backup->ciphertext = json_string_value(ciphertext);
	backup->ciphertext_length = json_string_length(ciphertext);
	backup->seal_header = seal_header(document);
	return backup->seal_header ? 0 : err_memory(err);
}

int backup_read(json_t *document, struct backup *ret_backup, struct err *err)
{
	static const char *const plain[] = {
		"format", "version", "made_by", "at", "hostname", "revision", "checksum", "content", NULL,
	};
	static const char *const sealed[] = {
		"format",   "version",  "made_by",    "at",         "hostname",
		"revision", "checksum", "encryption", "ciphertext", NULL,
	};
	bool is_sealed = json_object_get(document, "encryption") || json_object_get(document, "ciphertext");
	struct backup backup = { 0 };
	int r = check_format(document, err);

	if (r == 0)
		r = check_members(document, "/document", is_sealed ? sealed : plain, NULL, err);
	if (r == 0)
		r = check_sum(document, err);
	if (r == 0)
		r = check_origin(document, err);
	if (r == 0 && is_sealed)
		r = read_sealed(document, &backup, err);
	if (r < 0)
		return r;
	if (!is_sealed)
		backup.content = json_object_get(document, "content");
	backup.origin = json_pack("{s:O, s:O, s:O, s:O}", "made_by", json_object_get(document, "made_by"),
				  "at", json_object_get(document, "at"), "hostname",
				  json_object_get(document, "hostname"), "revision",
				  json_object_get(document, "revision"));
	*ret_backup = backup;
	return 0;
}

void backup_done(struct backup *backup)
{
	json_decref(backup->origin);
	free(backup->seal_header);
	*backup = (struct backup){ 0 };
}

int backup_content(json_t *content, struct backup_content *ret_content, struct err *err)
{
	static const char *const members[] = { "config", "secrets", NULL };
	static const char *const kinds[] = { "password", NULL };
	json_t *secrets = json_object_get(content, "secrets");
	const json_t *password = json_object_get(secrets, "password");
	int r = check_members(content, "/document/content", members, "secrets", err);

	if (r == 0 && secrets)
		r = check_members(secrets, "/document/content/secrets", kinds, "password", err);
	if (r < 0)
		return r;
	if (password && (!json_is_string(password) || !password_hash_valid(json_string_value(password))))
		return err_field(err, "/document/content/secrets/password", "must be the hash of a password");
	ret_content->config = json_object_get(content, "config");
	ret_content->password_hash = json_string_value(password);
	return 0;
}

/* --- devices --- */

static void map_device(json_t *container, const char *key, size_t index, const json_t *devices,
		       json_t *unused)
{
	json_t *device = key ? json_object_get(container, key) : json_array_get(container, index);
	const char *name = json_string_value(device);
	json_t *other = name ? json_object_get(devices, name) : NULL;

	if (!other)
		return;
	json_object_del(unused, name);
	if (key)
		json_object_set(container, key, other);
	else
		json_array_set(container, index, other);
}

static int check_map(const json_t *devices, struct err *err)
{
	char path[ERR_PATH_MAX];
	const char *key, *fault;
	json_t *value;
	int result = 0;

	if (!json_is_object(devices))
		return err_field(
			err, "/devices",
			"must be an object such as {\"eth0\": \"eth1\"}: what was eth0 is eth1 here");
	json_object_foreach((json_t *)devices, key, value)
	{
		fault = json_is_string(value) ?
				device_fault(json_string_value(value), json_string_length(value)) :
				"must be the name of a network device";
		if (fault)
			result = err_field(err, path_join(path, "/devices", key), "%s", fault);
	}
	return result;
}

int backup_map_devices(json_t *config, const json_t *devices, struct err *err)
{
	json_t *unused, *object, *list;
	char path[ERR_PATH_MAX];
	const char *key;
	size_t i, k;
	int r = check_map(devices, err);

	if (r < 0)
		return r;
	unused = json_copy((json_t *)devices);
	if (!unused)
		return err_memory(err);
	json_array_foreach(json_object_get(config, kind_plural(KIND_UPLINK)), i, object)
		map_device(object, "device", 0, devices, unused);
	json_array_foreach(json_object_get(config, kind_plural(KIND_NETWORK)), i, object)
	{
		list = json_object_get(object, "devices");
		for (k = 0; k < json_array_size(list); k++)
			map_device(list, NULL, k, devices, unused);
	}
	json_object_foreach(unused, key, object)
		r = err_field(err, path_join(path, "/devices", key), "is no device of this backup");
	json_decref(unused);
	return r;
}

static void note_missing(const struct links *links, const char *device, json_t *missing)
{
	if (!links_find(links, device))
		json_array_append_new(missing, json_string(device)); /* each has one purpose only */
}

json_t *backup_missing_devices(const struct config *config, const struct links *links)
{
	const struct object_list *networks = &config->lists[KIND_NETWORK];
	const struct object_list *uplinks = &config->lists[KIND_UPLINK];
	json_t *missing = json_array();

	for (unsigned i = 0; i < uplinks->count; i++)
		note_missing(links, ((const struct uplink *)uplinks->items[i])->device, missing);
	for (unsigned i = 0; i < networks->count; i++) {
		const struct names *devices = &((const struct network *)networks->items[i])->devices;

		for (unsigned k = 0; k < devices->count; k++)
			note_missing(links, devices->items[k], missing);
	}
	return missing;
}
