package org.ingrain.distill.report.page;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class MarkupTest {
    @Test
    void textsAndAttributesAreEscaped() {
        assertEquals("<p title=\"&quot;&gt;&lt;b&gt; &#39;\">&lt;/p&gt; &amp;amp; \ufffd\n</p>\n",
                new Markup().leaf("p", "</p> &amp; \u0007\n", "title", "\"><b> '", "class", null).toString());
    }
}
