/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_SCHEMA_H
#define PORTICO_MODEL_SCHEMA_H

/*
 * The fields of every kind of object, in one table. JSON in both directions,
 * the columns of the database, default values, error messages and the OpenAPI
 * components follow from it; no other place lists the fields.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/config.h"

/* How a field is kept in its struct, and written in JSON. */
enum field_type {
	FIELD_ID,      /* uint32_t; a whole number, given by the daemon */
	FIELD_BOOL,    /* bool; true or false */
	FIELD_ON_OFF,  /* bool; "on" or "off" */
	FIELD_ENUM,    /* an enum; one of the words, in the enum's order */
	FIELD_INTEGER, /* int64_t; min..max. null: -1 */
	FIELD_TIME,    /* int64_t; RFC 3339 in UTC. null: 0 */
	FIELD_NAME,    /* char *; the object's own name, or another's. null: NULL */
	FIELD_DEVICE,  /* char *; a network device */
	FIELD_COMMENT, /* char *; free text of at most `max` bytes */
	FIELD_NEED,    /* char *; "any", "all" or a number of targets */
	FIELD_ADDRESS, /* struct ip; a host's address */
	FIELD_BACKEND, /* struct ip and uint8_t; a host's address (0), or a suffix such as "::1:2:3:4/-64" (64) */
	FIELD_CHOICE,    /* an enum and a struct ip; one of the words, or an address where the word is "" */
	FIELD_PROTOCOL,  /* uint8_t; one of the words. null: 0 */
	FIELD_NAMES,     /* struct names; names of other objects */
	FIELD_DEVICES,   /* struct names; network devices */
	FIELD_TARGETS,   /* struct names; addresses, or "address:port" */
	FIELD_PREFIXES,  /* struct prefixes; "192.0.2.0/24" */
	FIELD_PORTS,     /* struct ports; "80,443,8000-8100", or the number of one port. null: empty */
	FIELD_SCHEDULE,  /* struct schedule; "mon-fri 08:00-22:00". null: empty */
	FIELD_PROTOCOLS, /* struct protocols; "tcp", or the number as text */
	FIELD_OBJECT,    /* a pointer to a struct with `members`. null: NULL */
	FIELD_OBSERVED,  /* not kept: what the daemon adds to its answers, ignored in requests */
};

enum {
	FIELD_REQUIRED = 1 << 0,
	FIELD_NULLABLE = 1 << 1,
	FIELD_REFERS = 1 << 2,  /* the names are those of objects of kind `refers` */
	FIELD_MUST_BE = 1 << 3, /* ... and each of them must exist */
};

struct field;

struct fields {
	size_t size; /* of the struct that holds them */
	unsigned count;
	const struct field *items;
};

struct field {
	const char *name;
	enum field_type type;
	unsigned flags;
	size_t offset;
	size_t address_offset; /* FIELD_CHOICE: where the address is */
	size_t bits_offset;    /* FIELD_BACKEND: where the number of a suffix's bits is */
	int64_t min, max;      /* of a number; of a text's bytes; of a list's entries */
	unsigned word_count;
	const char *const *words; /* index is the enum's value; NULL stands for null */
	enum kind refers;
	const struct fields *members; /* FIELD_OBJECT */
	const char *absent;           /* the default, as JSON text; NULL: none */
	const char *help;             /* one sentence */
};

struct schema {
	enum kind kind;
	const char *name;   /* "source_nat" */
	const char *plural; /* "source_nats", the key in /config and the table's name */
	const char *path;   /* "source-nats" */
	const char *noun;   /* "source NAT", for messages */
	const char *help;
	unsigned max; /* objects of this kind in a configuration */
	struct fields fields;

	/* Fills what follows from other fields where `json` does not say it; may be NULL. */
	void (*infer)(struct object *object, const json_t *json);
	/* What the fields can be wrong in together; may be NULL. */
	int (*check)(const struct object *object, const char *base, struct err *err);
};

const struct schema *schema_of(enum kind kind);

/* True for fields that a client sets and the store keeps: all but FIELD_ID and FIELD_OBSERVED. */
bool field_is_kept(const struct field *field);

/* NULL if there is none. */
const struct field *fields_find(const struct fields *fields, const char *name);

/*
 * The JSON Schema (2020-12, as in OpenAPI 3.1) of one field's value, with
 * description and default; a new reference. FIELD_OBSERVED gives only the
 * description and "readOnly".
 */
json_t *field_json_schema(const struct field *field);

/* {"type": "object", "properties": ..., "required": [...], "additionalProperties": false} */
json_t *fields_json_schema(const struct fields *fields);

/* --- values: what object_from_json() and the store are made of (field.c) --- */

/* Zeroed, one reference; without defaults. */
struct object *object_new(enum kind kind);
/*
 * The object in one block of memory, whole and unshared; the old one is gone. Of ten thousand forwards each would
 * otherwise be five small blocks. Returns it as it is where that is not worth while.
 */
struct object *object_pack(struct object *object);

/* The new object's last step: the checks of one object alone. */
int object_check(const struct object *object, const char *base, struct err *err);

/*
 * Sets the field, zero before, from its JSON value. -EINVAL with the fault
 * recorded at `path`, or -ENOMEM.
 */
int field_decode(const struct field *field, void *object, const json_t *value, const char *path,
		 struct err *err);

/* Sets the field to its default. */
int field_decode_default(const struct field *field, void *object);

/* A new reference, NULL when out of memory. */
json_t *field_encode(const struct field *field, const void *object);

void field_free(const struct field *field, void *object);

/* Where the parts of an object go that is being put into one block. */
struct packer {
	char *block; /* NULL: the size is only added up */
	size_t size;
};

/* Moves what the field owns to the block's end; not for FIELD_OBJECT. */
void field_pack(const struct field *field, void *object, struct packer *packer);
bool field_equal(const struct field *field, const void *a, const void *b);

/* All fields of an object in JSON: defaults for what is absent, faults for what is unknown. */
int fields_decode(const struct fields *fields, void *object, const json_t *json, const char *base,
		  struct err *err);

/* Fails the caller for want of memory: -ENOMEM, with words in `err`. */
int err_memory(struct err *err);

/* `base` with "/key" (escaped as RFC 6901 wants) in a buffer of the caller's; returns it. */
const char *path_join(char path[ERR_PATH_MAX], const char *base, const char *key);
const char *path_index(char path[ERR_PATH_MAX], const char *base, unsigned index);

/* --- texts (text.c): NULL if it is right, else what would be --- */

const char *name_fault(const char *text, size_t length);
const char *device_fault(const char *text, size_t length);
const char *comment_fault(const char *text, size_t length);

/* Whether it is one of a list that ends with NULL. */
bool text_is_one_of(const char *text, const char *const *list);

/* Sets *ret_ports from "80,443,8000-8100"; -EINVAL recorded at `path`, or -ENOMEM. */
int ports_parse(const char *text, struct ports *ret_ports, const char *path, struct err *err);

/* The same for "mon-fri 08:00-22:00, sat,sun 10:00-24:00" (schedule.c). */
int schedule_parse(const char *text, struct schedule *ret_schedule, const char *path, struct err *err);

/*
 * Sets the address from "::1:2:3:4/-64" and *ret_bits to 64. NULL if it is right, else what would be.
 */
const char *suffix_parse(const char *text, struct ip *ret_suffix, uint8_t *ret_bits);
enum { SUFFIX_TEXT_MAX = IP_TEXT_MAX + 5 };
const char *suffix_format(const struct ip *suffix, uint8_t bits, char text[SUFFIX_TEXT_MAX]);

/* The number for "tcp", "gre" or "47"; -1 if it is none. */
int protocol_parse(const char *text);

#endif
