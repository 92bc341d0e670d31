/* The smallest HTTP server that keeps connections open: what it costs to start is what starting any program costs.
 *
 * usage: hello PORT
 */
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 64

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

int main(int count, char **arguments) {
    if (count != 2) return 2;
    signal(SIGPIPE, SIG_IGN);
    int one = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(arguments[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, CLIENTS)) return 1;

    struct pollfd polled[1 + CLIENTS] = {{.fd = listener, .events = POLLIN}};
    nfds_t open = 1;
    while (poll(polled, open, -1) > 0) {
        for (nfds_t i = open - 1; i > 0; i--) {
            char request[16384];
            if (!polled[i].revents) continue;
            /* A request without a body that comes in one piece is all that is asked here. */
            ssize_t length = read(polled[i].fd, request, sizeof request);
            if (length > 0 && write(polled[i].fd, answer, sizeof answer - 1) > 0) continue;
            close(polled[i].fd);
            polled[i] = polled[--open];
        }
        if (polled[0].revents && open <= CLIENTS) {
            int client = accept(listener, NULL, NULL);
            if (client >= 0) polled[open++] = (struct pollfd){.fd = client, .events = POLLIN};
        }
    }
    return 1;
}
