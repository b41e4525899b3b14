package org.ingrain.template;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests templates that need much time, memory or stack, or whose text depends on the clock or on random numbers. */
class HostileTemplatesTest {
    private static final Duration LIMIT = Duration.ofSeconds(20);
    private static final String NESTED_LOOPS = "{% for a in range(9000) %}".repeat(4) + "BODY"
            + "{% endfor %}".repeat(4);

    @ParameterizedTest
    @CsvSource(delimiter = '¦', quoteCharacter = '`', textBlock = """
            over limit of 16000000¦{% set n = namespace(t='0123456789') %}{% for i in range(30) %}{% set n.t = n.t ~ n.t %}{% endfor %}{{ n.t }}
            over limit of 16000000¦{% set n = namespace(t='0123456789') %}{% for i in range(30) %}{% set n.t = n.t + n.t %}{% endfor %}{{ n.t }}
            a value has more than 16000000 characters¦{% set n = namespace(t='x') %}{% for i in range(9) %}{% set n.t = n.t.replace('x', 'xxxxxxxxxxxx') %}{% endfor %}
            a value has more than 16000000 characters¦{% set n = namespace(t='x') %}{% for i in range(9) %}{% set n.t = n.t | replace('x', 'xxxxxxxxxxxx') %}{% endfor %}
            a value has more than 16000000 characters¦{% set n = namespace(t='xxxxxxxx') %}{% for i in range(9) %}{% set n.t = n.t.join([n.t, n.t, n.t, n.t, n.t, n.t, n.t, n.t, n.t]) %}{% endfor %}
            greater than the maximum size of 10000¦{% set n = namespace(l=[1]) %}{% for i in range(30) %}{% set n.l = n.l + n.l %}{% endfor %}
            a value has more than 10000 elements¦{{ range(1000000000000) | length }}
            range expects one to three numbers¦{{ range(1, 2, 0) }}
            tojson has the indent 1000000000, expected at most 100¦{{ [1] | tojson(indent=1000000000) }}
            today is not supported¦{{ today() }}
            unixtimestamp is not supported¦{{ unixtimestamp() }}
            strtotime is not supported¦{{ strtotime('1', 'd') }}
            random is not supported¦{{ [1, 2, 3] | map('random') }}
            shuffle is not supported¦{{ [[1, 2, 3]] | map('shuffle') | list }}
            """)
    void refusesLargeValuesAndFunctionsOfTheTime(String expected, String source) {
        refused(expected, source, LIMIT);
    }

    @Test
    void theOutputIsLimited() {
        refused("its output has more than 16000000 characters", NESTED_LOOPS.replace("BODY", "0123456789".repeat(1000)),
                LIMIT);
    }

    @Test
    void theTimeIsLimited() {
        refused("rendering takes more than 200 ms", NESTED_LOOPS.replace("BODY", "{% set x = 1 %}"),
                Duration.ofMillis(200));
    }

    @ParameterizedTest
    @CsvSource({"'not ',''", "-,''", "'1 if false else ',''", "'1 + ',''", "(,)", "[,]"})
    void longExpressionsAreRefused(String open, String close) {
        refused("characters and nests", "{{ " + open.repeat(20_000) + "1" + close.repeat(20_000) + " }}", LIMIT);
    }

    @ParameterizedTest
    @CsvSource({"if true, endif", "for a in [1], endfor"})
    void deepNestingIsRefused(String open, String close) {
        refused("tags nest deeper than 50 levels",
                ("{% " + open + " %}").repeat(5000) + ("{% " + close + " %}").repeat(5000), LIMIT);
    }

    /** The expression is within the limits, but overflows the stack of a thread with a small stack. */
    @Test
    void aStackOverflowIsRefused() throws InterruptedException {
        Throwable[] thrown = new Throwable[1];
        Thread small = new Thread(null, () -> {
            try {
                render("{{ " + "not ".repeat(900) + "true }}", LIMIT);
            } catch (InputException refused) {
                thrown[0] = refused;
            }
        }, "small", 160 << 10);
        small.setUncaughtExceptionHandler((thread, e) -> thrown[0] = e);
        small.start();
        small.join();
        assertEquals("t.jinja: chat template: an expression is nested too deeply", thrown[0].getMessage());
    }

    @Test
    void rangeIsPythons() {
        assertEquals("[0, 1, 2] [2, 3] [5, 3, 1] []",
                render("{{ range(3) }} {{ range(2, 4) }} {{ range(5, 0, -2) }} {{ range(-1) }}", LIMIT));
        assertEquals("1999", render("{% for i in range(2000) %}{{ i if loop.last }}{% endfor %}", LIMIT));
    }

    private static String render(String source, Duration limit) {
        return new ChatTemplate("t.jinja", source, Map.of(), limit).render(List.of(Message.user("Hi")), true);
    }

    private static void refused(String expected, String source, Duration limit) {
        String message = assertThrows(InputException.class, () -> render(source, limit)).getMessage();
        assertTrue(message.startsWith("t.jinja: chat template: ") && message.contains(expected), message);
        assertEquals(1, message.lines().count(), message);
    }
}
