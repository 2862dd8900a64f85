/*
 * Two people say hello through libwheesht.
 *
 *   hello DIRECTORY bob@relay.example.org                          waits for a message, answers it, and ends
 *   hello DIRECTORY alice@relay.example.org bob@relay.example.org  writes to Bob, waits for his answer, and ends
 *
 * The first start in a directory registers the account, with a passphrase that it prints. A relay without a web certificate is
 * written with its fingerprint: bob@192.0.2.7:8443#pJ3T…
 *
 * Build:  cc hello.c $(pkg-config --cflags --libs wheesht) -o hello
 *
 * A real program uses a JSON library; `field` below is as much of one as this example needs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wheesht.h>

/* Copies the string that stands first under a key; what it escapes (quotes, line ends) stays escaped. */
static int field(const char *json, const char *key, char *value, size_t size) {
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\"%s\":\"", key);
    const char *from = strstr(json, pattern);
    if (from == NULL) return 0;
    from += strlen(pattern);
    size_t length = 0;
    while (from[length] != '\0' && from[length] != '"') length += from[length] == '\\' ? 2 : 1;
    if (length >= size) return 0;
    memcpy(value, from, length);
    value[length] = '\0';
    return 1;
}

static int says(const char *json, const char *key, const char *value) {
    char pattern[128];
    snprintf(pattern, sizeof pattern, "\"%s\":%s", key, value);
    return strstr(json, pattern) != NULL;
}

static void die(char *error) {
    fprintf(stderr, "hello: %s\n", error);
    wheesht_free_string(error);
    exit(1);
}

/* Asks, and ends the program if the answer is an error. The answer is freed with wheesht_free_string. */
static char *ask(wheesht_handle client, const char *request) {
    char *answer = wheesht_call(client, request);
    if (strncmp(answer, "{\"error\"", 8) == 0) die(answer);
    return answer;
}

static void do_it(wheesht_handle client, const char *request) { wheesht_free_string(ask(client, request)); }

static void say(wheesht_handle client, const char *to, const char *text) {
    char request[1024];
    snprintf(request, sizeof request, "{\"type\":\"send\",\"to\":\"%s\",\"text\":\"%s\"}", to, text);
    do_it(client, request);
}

static void register_once(wheesht_handle client, const char *address) {
    char *status = ask(client, "{\"type\":\"status\"}");
    int empty = says(status, "type", "\"empty\"");
    wheesht_free_string(status);
    if (!empty) return;

    char *suggestion = ask(client, "{\"type\":\"suggest_passphrase\"}");
    char passphrase[256], request[1024];
    if (!field(suggestion, "passphrase", passphrase, sizeof passphrase)) die(suggestion);
    wheesht_free_string(suggestion);
    snprintf(request, sizeof request,
             "{\"type\":\"register\",\"address\":\"%s\",\"password\":\"%s\",\"device\":\"hello.c\"}", address, passphrase);
    do_it(client, request);
    printf("registered %s; keep this passphrase: %s\n", address, passphrase);
}

int main(int count, char **arguments) {
    if (count < 3) {
        fprintf(stderr, "usage: hello DIRECTORY ADDRESS [PEER]\n");
        return 2;
    }
    const char *directory = arguments[1], *address = arguments[2], *peer = count > 3 ? arguments[3] : NULL;
    setvbuf(stdout, NULL, _IOLBF, 0);

    char config[1024];
    snprintf(config, sizeof config, "{\"data_dir\":\"%s\",\"key\":{\"type\":\"file\"}}", directory);
    wheesht_handle client;
    char *error = wheesht_open(config, &client);
    if (error != NULL) die(error);

    register_once(client, address);
    printf("ready\n");
    if (peer != NULL) say(client, peer, "hello from C");

    for (int done = 0; !done;) {
        char *event = wheesht_next_event(client, 60000);
        if (event == NULL) {
            fprintf(stderr, "hello: nothing came for a minute\n");
            return 1;
        }
        if (strncmp(event, "{\"error\"", 8) == 0) die(event);

        char who[128], text[512];
        if (says(event, "state", "\"request_received\"") && says(event, "type", "\"contact\"") &&
            strstr(event, "\"contact\":{") != NULL && field(strstr(event, "\"contact\":{"), "id", who, sizeof who)) {
            /* A stranger asks to write to us: this program likes everyone. */
            char request[256];
            snprintf(request, sizeof request, "{\"type\":\"accept_contact\",\"who\":\"%s\"}", who);
            do_it(client, request);
        } else if (says(event, "type", "\"message\"") && says(event, "outgoing", "false") &&
                   field(event, "text", text, sizeof text) && field(event, "sender", who, sizeof who)) {
            printf("message: %s\n", text);
            if (peer == NULL) say(client, who, "hello to you");
            done = peer != NULL;
        } else if (says(event, "type", "\"message_state\"") && peer == NULL) {
            /* Our answer is durable on the relay: nobody needs us any more. */
            done = says(event, "type", "\"sent\"") || says(event, "type", "\"delivered\"") || says(event, "type", "\"read\"");
        }

        /* Dealt with: it will not come again. Events without an id are passing states. */
        const char *id = strstr(event, "{\"id\":");
        if (id == event && id[6] != 'n') {
            error = wheesht_ack_event(client, strtoull(id + 6, NULL, 10));
            if (error != NULL) die(error);
        }
        wheesht_free_string(event);
    }

    wheesht_close(client);
    return 0;
}
