/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portico backup, restore. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

/* --- backup --- */

static int print_backup_help(void)
{
	puts("portico backup: the whole configuration as one document\n"
	     "\n"
	     "  portico backup > FILE                          as it is, to be read by anyone\n"
	     "  portico backup --passphrase-file FILE > FILE   encrypted\n"
	     "\n"
	     "  --passphrase-file FILE   its first line is the passphrase (8 bytes at least);\n"
	     "                           - for the standard input\n"
	     "  --secrets                with the password of the page; only if encrypted\n"
	     "\n"
	     "The key of the page's certificate is not in it: keep key.pem and cert.pem, which\n"
	     "are beside the database, or let the restored router make new ones.");
	return EXIT_OK;
}

int backup_command(const struct command *command)
{
	const char *passphrase_file = NULL, *file;
	bool secrets = false;
	const struct flag flags[] = { { .name = "--passphrase-file", .value = &passphrase_file },
				      { .name = "--secrets", .given = &secrets } };
	json_t *body, *document = NULL;
	int rc;

	if (command->help)
		return print_backup_help();
	if (command->confirm_within)
		return refuse_trial("backup");
	rc = read_flags(command, "backup", flags, 2, &file);
	if (rc == EXIT_OK && file)
		rc = usage_error("%s: the backup goes to the standard output: portico backup > %s", file,
				 file);
	if (rc != EXIT_OK)
		return rc;
	body = json_pack("{s:b}", "secrets", secrets);
	rc = add_secret(body, "passphrase", passphrase_file);
	if (rc == EXIT_OK)
		rc = call(command, NULL, "POST", "/backup", body, &document);
	if (rc == EXIT_OK)
		print_json(document);
	json_decref(document);
	json_decref(body);
	return rc;
}

/* --- restore --- */

static int print_restore_help(void)
{
	puts("portico restore: bring the configuration of a backup back\n"
	     "\n"
	     "  portico restore --dry-run FILE   what it would change here and in the kernel\n"
	     "  portico restore FILE             do it; what the backup does not have goes\n"
	     "\n"
	     "  --passphrase-file FILE    of an encrypted one; - for the standard input\n"
	     "  --device OLD=NEW          what was device OLD is NEW here; may be repeated\n"
	     "  --no-secrets              leave the password as it is\n"
	     "  --confirm-within SECONDS  on trial: portico confirm --help\n"
	     "  --json                    print the API's JSON\n"
	     "\n"
	     "FILE - is the standard input.");
	return EXIT_OK;
}

static void print_origin(const json_t *backup)
{
	struct buf line;

	buf_init(&line, CELL_MAX);
	buf_printf(&line, "the backup of %s, %s, revision %" JSON_INTEGER_FORMAT ", made by %s",
		   member_text(backup, "hostname"), member_text(backup, "at"),
		   member_number(backup, "revision"), member_text(backup, "made_by"));
	print_line(buf_text(&line));
	buf_done(&line);
}

static void print_missing(const json_t *devices)
{
	const json_t *device;
	size_t i;

	json_array_foreach((json_t *)devices, i, device)
		printf("device %s is not here; --device %s=NEW says what it is called\n",
		       json_string_value(device), json_string_value(device));
}

static void print_restored(const struct command *command, const json_t *answer)
{
	bool dry_run = json_is_true(json_object_get(answer, "dry_run"));

	print_origin(json_object_get(answer, "backup"));
	print_missing(json_object_get(answer, "missing_devices"));
	if (dry_run)
		print_plan(answer);
	else if (json_array_size(json_object_get(answer, "changes")) == 0)
		puts("nothing to restore: the configuration is that one.");
	else
		print_changes(json_object_get(answer, "changes"));
	if (json_array_size(json_object_get(answer, "secrets")) > 0)
		puts(dry_run ? "the password would be that of the backup." :
			       "the password is that of the backup.");
	puts(dry_run ? "nothing was changed." : "restored.");
	print_trial(command);
}

static int restore_document(const struct command *command, json_t *body, const char *file)
{
	json_t *document = load_json(file), *answer;
	int rc;

	if (!document)
		return EXIT_FAILED;
	json_object_set_new(body, "document", document);
	rc = call(command, NULL, "POST", "/restore", body, &answer);
	if (rc != EXIT_OK)
		return rc;
	if (command->json)
		print_json(answer);
	else
		print_restored(command, answer);
	json_decref(answer);
	return EXIT_OK;
}

int restore_command(const struct command *command)
{
	const char *passphrase_file = NULL, *file;
	bool dry_run = false, no_secrets = false;
	json_t *devices, *body;
	int rc;

	if (command->help)
		return print_restore_help();
	devices = json_object();

	const struct flag flags[] = { { .name = "--passphrase-file", .value = &passphrase_file },
				      { .name = "--device", .map = devices },
				      { .name = "--dry-run", .given = &dry_run },
				      { .name = "--no-secrets", .given = &no_secrets } };

	rc = read_flags(command, "restore", flags, 4, &file);
	if (rc == EXIT_OK && !file)
		rc = usage_error("portico restore needs a FILE");
	if (rc == EXIT_OK && dry_run && command->confirm_within)
		rc = usage_error("--confirm-within: with --dry-run nothing is changed");
	body = json_pack("{s:b, s:b, s:o}", "dry_run", dry_run, "secrets", !no_secrets, "devices", devices);
	if (rc == EXIT_OK)
		rc = add_secret(body, "passphrase", passphrase_file);
	if (rc == EXIT_OK)
		rc = restore_document(command, body, file);
	json_decref(body);
	return rc;
}
