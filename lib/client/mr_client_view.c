// SPDX-License-Identifier: BSD-3-Clause

#include "mr_client_impl.h"
#include "mr_units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/** A DESCRIBE asks for at most this much text at once: what surely fits the path. */
#define DESCRIBE_MAX_BYTES 1400u
#define CATALOG_MIN_BYTES (1 * MR_MIB)
#define CATALOG_MAX_BYTES (256 * MR_MIB)
#define DESCRIBES_MAX 64u

// ---- definitions -------------------------------------------------------------------------------

void mr_client_def_drop(struct mr_client_def *def)
{
	if (def == NULL || --def->refs > 0)
		return;
	free(def->mem);
	free(def);
}

/** Builds the catalog of a description in as much memory as it takes. */
static struct mr_catalog *build(
	const struct mr_client_view *view, void **ret_mem, struct mr_err *err)
{
	for (size_t bytes = CATALOG_MIN_BYTES; bytes <= CATALOG_MAX_BYTES; bytes *= 2) {
		struct mr_catalog *catalog;
		struct mr_arena arena;
		void *mem = malloc(bytes);

		if (mem == NULL)
			break;
		mr_arena_init(&arena, mem, bytes);
		catalog = mr_catalog_build(&arena, view->name, view->text, view->text_bytes, err);
		if (catalog != NULL) {
			*ret_mem = mem;
			return catalog;
		}
		free(mem);
		if (errno != ENOMEM) {
			mr_err_prefix(err, "the server's description: ");
			errno = EPROTO;
			return NULL;
		}
	}
	errno = ENOMEM;
	return NULL;
}

static struct mr_client_def *def_new(struct mr_client_view *view)
{
	struct mr_client_def *def = calloc(1, sizeof(*def));
	struct mr_catalog *catalog = NULL;

	if (def != NULL)
		catalog = build(view, &def->mem, &view->err);
	if (catalog == NULL)
		goto fail;
	def->refs = 1;
	def->view = mr_catalog_view(catalog, view->id);
	if (def->view == NULL || def->view->layout != view->layout || def->view->n_parts == 0) {
		mr_fail(&view->err, EPROTO,
			"the server's description of '%s' does not give the layout 0x%08x that it "
			"names: client and server are of versions that do not go together",
			view->name, view->layout);
		errno = EPROTO;
		goto fail;
	}
	return def;
fail:
	if (def != NULL)
		free(def->mem);
	free(def);
	return NULL;
}

/** Takes the description that has been gathered as the newest. @return 0 or -errno. */
static int adopt(struct mr_client_view *view)
{
	struct mr_client_def *def = def_new(view);

	if (def == NULL)
		return -errno;
	for (unsigned i = 0; i < view->n_defs; i++) {
		// Schemas that callers hold stay valid; the same layout and id need no second copy.
		if (view->defs[i]->view->layout != def->view->layout ||
			view->defs[i]->view->id != def->view->id)
			continue;
		mr_client_def_drop(def);
		view->def = view->defs[i];
		return 0;
	}
	if (view->n_defs == MR_CLIENT_DEFS_MAX) {
		mr_client_def_drop(def);
		return mr_fail(&view->err, EPROTO,
			"'%s' has had %u layouts since this client was opened: open a new one",
			view->name, MR_CLIENT_DEFS_MAX);
	}
	view->defs[view->n_defs++] = def;
	view->def = def;
	return 0;
}

// ---- DESCRIBE ----------------------------------------------------------------------------------

static void drop_text(struct mr_client_view *view)
{
	free(view->text);
	view->text = NULL;
	view->text_bytes = 0;
	view->total_bytes = 0;
}

/** Ends a description: whoever waits goes on, or fails. */
static void finish(struct mr_client *client, struct mr_client_view *view, int error)
{
	struct mr_client_result *call;

	view->is_describing = false;
	view->describe_error = error;
	view->is_stale = error != 0;
	drop_text(view);
	while ((call = TAILQ_FIRST(&view->waiters)) != NULL) {
		TAILQ_REMOVE(&view->waiters, call, next);
		if (error == 0)
			mr_client_call_resume(client, call);
		else if (error == -ENOENT)
			mr_client_call_fail(
				client, call, MR_CLIENT_REFUSED, MR_WIRE_RESULT_UNKNOWN_VIEW);
		else
			mr_client_call_fail(client, call,
				error == -ETIMEDOUT ? MR_CLIENT_LOST : MR_CLIENT_ERROR,
				MR_WIRE_RESULT_OK);
	}
}

void mr_client_describe_fail(struct mr_client *client, struct mr_client_view *view, int error)
{
	client->n_describing--;
	finish(client, view, error);
}

/** Asks for the text that follows what is there. */
static int send_describe(struct mr_client *client, struct mr_client_view *view)
{
	struct mr_wire_ask ask = {.request_id = mr_client_next_id(client)};
	uint32_t capacity = MR_MIN(client->max_payload_bytes, DESCRIBE_MAX_BYTES);
	struct mr_client_part *part;
	int bytes = mr_wire_describe_encode(
		client->scratch, capacity, &ask, view->name, view->text_bytes);

	if (bytes < 0)
		return bytes;
	part = mr_client_part_new(client, MR_WIRE_OP_DESCRIBE, client->scratch, (uint32_t)bytes);
	if (part == NULL)
		return -ENOMEM;
	part->view = view;
	mr_client_part_queue(client, part);
	return 0;
}

void mr_client_describe(struct mr_client *client, struct mr_client_view *view)
{
	if (view->is_describing)
		return;
	view->is_describing = true;
	client->stats.refreshes += view->def != NULL;
	drop_text(view);
	TAILQ_INSERT_TAIL(&client->describes, view, next_asked);
}

void mr_client_describes_start(struct mr_client *client)
{
	struct mr_client_view *view;
	int rc;

	while ((view = TAILQ_FIRST(&client->describes)) != NULL &&
		client->n_describing < DESCRIBES_MAX) {
		TAILQ_REMOVE(&client->describes, view, next_asked);
		client->n_describing++;
		rc = send_describe(client, view);
		if (rc != 0)
			mr_client_describe_fail(client, view, rc);
	}
}

/** @return 0 when the text is whole, -EAGAIN when more is to come, or another -errno. */
static int add_text(struct mr_client_view *view, const struct mr_wire_describe_reply *describe,
	const char *text)
{
	char *grown;

	if (describe->total_bytes > MR_CLIENT_TEXT_MAX_BYTES)
		return mr_fail(&view->err, EPROTO, "the server's description of '%s' has %u bytes",
			view->name, describe->total_bytes);
	if (view->text_bytes > 0 &&
		(describe->total_bytes != view->total_bytes || describe->layout != view->layout ||
			describe->view != view->id)) {
		// It changed while we read it: from the start.
		drop_text(view);
		return -EAGAIN;
	}
	if (describe->offset != view->text_bytes || describe->bytes == 0)
		return mr_fail(&view->err, EPROTO,
			"the server's description of '%s' comes out of order", view->name);
	grown = realloc(view->text, describe->total_bytes);
	if (grown == NULL)
		return -ENOMEM;
	view->text = grown;
	memcpy(view->text + view->text_bytes, text, describe->bytes);
	view->text_bytes += describe->bytes;
	view->total_bytes = describe->total_bytes;
	view->layout = describe->layout;
	view->id = describe->view;
	return view->text_bytes == view->total_bytes ? 0 : -EAGAIN;
}

void mr_client_describe_reply(
	struct mr_client *client, struct mr_client_part *part, const struct mr_wire_reply *reply)
{
	struct mr_client_view *view = part->view;
	struct mr_wire_describe_reply describe;
	const char *text;
	int rc;

	mr_client_part_free(client, part);
	mr_wire_describe_reply_get(reply, &describe, &text);
	rc = add_text(view, &describe, text);
	if (rc == -EAGAIN)
		rc = send_describe(client, view);
	else {
		if (rc == 0)
			rc = adopt(view);
		client->n_describing--;
		finish(client, view, rc);
		return;
	}
	if (rc != 0)
		mr_client_describe_fail(client, view, rc);
}

// ---- names -------------------------------------------------------------------------------------

struct mr_client_view *mr_client_view_find(const struct mr_client *client, const char *name)
{
	struct mr_client_view *view;

	TAILQ_FOREACH(view, &client->views, next)
	if (strcmp(view->name, name) == 0)
		return view;
	return NULL;
}

void mr_client_view_free(struct mr_client_view *view)
{
	for (unsigned i = 0; i < view->n_defs; i++)
		mr_client_def_drop(view->defs[i]);
	drop_text(view);
	free(view->name);
	free(view);
}

static struct mr_client_view *view_new(
	struct mr_client *client, const char *name, struct mr_err *err)
{
	struct mr_client_view *view;

	if (name[0] == '\0' || strlen(name) > MR_NAME_MAX_BYTES) {
		mr_fail(err, ENOENT, "'%s' is not the name of a view or set", name);
		errno = ENOENT;
		return NULL;
	}
	view = calloc(1, sizeof(*view));
	if (view != NULL)
		view->name = strdup(name);
	if (view == NULL || view->name == NULL) {
		free(view);
		errno = ENOMEM;
		return NULL;
	}
	TAILQ_INIT(&view->waiters);
	TAILQ_INSERT_TAIL(&client->views, view, next);
	return view;
}

static void explain(const struct mr_client *client, const struct mr_client_view *view, int error,
	struct mr_err *err)
{
	const char *server = mr_client_server_name(client);

	if (view->err.text[0] != '\0')
		mr_fail(err, -error, "%s", view->err.text);
	else if (error == -ENOENT)
		mr_fail(err, ENOENT, "server %s has no view or set '%s'", server, view->name);
	else if (error == -ETIMEDOUT)
		mr_fail(err, ETIMEDOUT, "no answer from server %s about '%s'", server, view->name);
	else
		mr_fail(err, -error, "describing '%s': %s", view->name, strerror(-error));
}

struct mr_client_view *mr_client_resolve(
	struct mr_client *client, const char *name, struct mr_err *err)
{
	struct mr_client_view *view = mr_client_view_find(client, name);
	int error;

	if (view != NULL && view->def != NULL && !view->is_stale)
		return view;
	if (view == NULL)
		view = view_new(client, name, err);
	if (view == NULL)
		return NULL;
	view->err.text[0] = '\0';
	mr_client_describe(client, view);
	while (view->is_describing)
		mr_client_step(client, UINT64_MAX);
	error = view->describe_error;
	if (error == 0)
		return view;
	explain(client, view, error, err);
	if (view->def == NULL) {
		TAILQ_REMOVE(&client->views, view, next);
		mr_client_view_free(view);
	}
	errno = -error;
	return NULL;
}

const struct mr_view *mr_client_view_compiled(const struct mr_client_view *view)
{
	return view->def->view;
}

const struct mr_schema *mr_client_view_schema(const struct mr_client_view *view, unsigned set)
{
	return set < view->def->view->n_parts ? view->def->view->parts[set].schema : NULL;
}
