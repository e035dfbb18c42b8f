// Ask KEY: may KEY go on? Prints "go on", "wait SECONDS" or "never". Goes on while allowd is down.
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

class Ask {
    static final HttpClient CLIENT = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    /** 0: go on; -1: waiting does not help. */
    static long waitS(String key) throws InterruptedException {
        var url = URI.create("http://127.0.0.1:10429/allow?key=" + URLEncoder.encode(key, StandardCharsets.UTF_8));
        try {
            // POST, because a GET is sent again if the connection ends without an answer, and both may take a token.
            var request = HttpRequest.newBuilder(url).POST(BodyPublishers.noBody()).timeout(Duration.ofMillis(500)).build();
            var answer = CLIENT.send(request, BodyHandlers.discarding());
            return answer.statusCode() == 429 ? answer.headers().firstValueAsLong("Retry-After").orElse(-1) : 0;
        } catch (IOException down) {
            return 0;
        }
    }

    public static void main(String[] arguments) throws InterruptedException {
        long seconds = waitS(arguments[0]);
        System.out.println(seconds == 0 ? "go on" : seconds > 0 ? "wait " + seconds : "never");
    }
}
