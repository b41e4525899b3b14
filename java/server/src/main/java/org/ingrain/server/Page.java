package org.ingrain.server;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ingrain.server.http.Exchange;

/**
 * The page at {@code /}, which compares System 1, System 2 and distilled answers. The page's content security policy
 * allows only requests to this server, images in data URLs, and the page's own style and script, which the policy
 * identifies by hashes. So text that a model generates cannot run as a script and cannot load anything.
 */
final class Page {
    private static final Pattern STYLE = Pattern.compile("<style>(.*?)</style>", Pattern.DOTALL);
    private static final Pattern SCRIPT = Pattern.compile("<script>(.*?)</script>", Pattern.DOTALL);

    private final byte[] html;
    private final String policy;

    Page() {
        try (InputStream in = Page.class.getResourceAsStream("page.html")) {
            html = in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        String text = new String(html, StandardCharsets.UTF_8);
        policy = "default-src 'none'; style-src " + hash(STYLE, text) + "; script-src " + hash(SCRIPT, text)
                + "; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    }

    void send(Exchange exchange) {
        exchange.answerHeader("Content-Security-Policy", policy);
        exchange.answerHeader("X-Content-Type-Options", "nosniff");
        exchange.answerHeader("Referrer-Policy", "no-referrer");
        exchange.send(200, "text/html; charset=utf-8", html);
    }

    /** Returns the hash of the text between these tags, as an expression of the policy. */
    private static String hash(Pattern tags, String text) {
        Matcher found = tags.matcher(text);
        if (!found.find()) {
            throw new IllegalStateException("page.html: no text matches " + tags);
        }
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(found.group(1)
                    .getBytes(StandardCharsets.UTF_8));
            return "'sha256-" + Base64.getEncoder().encodeToString(digest) + "'";
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
