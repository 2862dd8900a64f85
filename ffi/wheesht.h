/*
 * libwheesht: end-to-end encrypted messages from C.
 *
 * Requests, responses and events are JSON: the same as the command line's --json and the Rust types of wheesht_core::api.
 * Everything that can fail returns its error as a value; there is no "last error".
 *
 *   - A handle is a number, never reused. Using one that is closed gives the error "closed", never undefined behaviour.
 *   - Every function may be called from any thread, several at once, also on one handle.
 *   - Strings given to the library are NUL-terminated UTF-8 and stay yours. Strings that it returns are yours to read
 *     and to give back, as they are, with wheesht_free_string, which wipes them first: copy what you want to change (strtok
 *     changes what it reads).
 *   - The library keeps the queue of events, durably, until you have acknowledged them: nothing is lost if your program
 *     stops in between. There are no callbacks.
 *   - After fork(), the child must not use handles that its parent opened.
 *
 * An error is {"code": "...", "message": "...", "next": "..." or null, "retry_after_ms": ... or null}: the code for your program,
 * message and next for the person in front of it.
 */
#ifndef WHEESHT_H
#define WHEESHT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An open client. 0 is never one. */
typedef uint64_t wheesht_handle;

/*
 * Opens the client whose files are in a directory, which is made if it is not there, and starts it: it connects by itself.
 *
 *   {"data_dir": "/home/alice/.local/share/wheesht",
 *    "key": {"type": "file"}                                 a file in the directory that only its owner can read, or
 *           {"type": "passphrase", "passphrase": "..."}      stretched with Argon2id; asked for at every start, or
 *           {"type": "keyring"}                              the operating system's keyring
 *   }
 *
 * Returns NULL and sets *handle, or returns an error and sets *handle to 0. One process at a time can open a directory.
 */
char *wheesht_open(const char *config_json, wheesht_handle *handle);

/*
 * Sends a request and waits for its answer.
 *
 *   {"type": "send", "to": "bob@relay.example.org", "text": "hi"}
 *
 * Returns {"ok": response} or {"error": error}, never NULL.
 */
char *wheesht_call(wheesht_handle handle, const char *request_json);

/*
 * Waits for the next event, at most timeout_ms milliseconds. Returns it, or NULL if none came in that time, or
 * {"error": error} if there will be none because the client is closed or its store has failed.
 *
 * An event with an "id" comes again after the next start unless it is acknowledged. Each event is given to one caller.
 */
char *wheesht_next_event(wheesht_handle handle, uint32_t timeout_ms);

/* Says that all events up to and including this id have been dealt with. Returns NULL, or an error. */
char *wheesht_ack_event(wheesht_handle handle, uint64_t id);

/* Wipes and frees a string that this library returned. NULL is allowed. */
void wheesht_free_string(char *string);

/*
 * Closes a client: stops its connections, finishes what is being written, and wakes whoever waits for an answer or an event
 * with the error "closed". Closing twice does nothing.
 */
void wheesht_close(wheesht_handle handle);

/*
 * What the JSON looks like: {"request": ..., "response": ..., "event": ..., "error": ...}, a JSON Schema each, to read or to
 * generate types from.
 */
char *wheesht_schema(void);

/* The library's version, as "0.1.0". Static: do not free it. */
const char *wheesht_version(void);

#ifdef __cplusplus
}
#endif

#endif
