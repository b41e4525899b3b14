package org.ingrain.template;

import com.hubspot.jinjava.el.JinjavaInterpreterResolver;
import java.beans.FeatureDescriptor;
import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import jinjava.javax.el.CompositeELResolver;
import jinjava.javax.el.ELContext;
import jinjava.javax.el.ELException;
import jinjava.javax.el.ELResolver;

/**
 * Resolves method calls in templates as Python does. Only Python's methods can be called on a string, because Java's
 * methods with the same names differ. For example, Java's split expects a regular expression, and Java's strip has
 * another definition of white space. A call of {@link TemplateExpression#SLICE} is resolved as a slice.
 */
final class PythonResolver extends ELResolver {
    static ELResolver beforeJinjavas() {
        CompositeELResolver resolver = new CompositeELResolver();
        resolver.add(new PythonResolver());
        resolver.add(JinjavaInterpreterResolver.DEFAULT_RESOLVER_READ_ONLY);
        return resolver;
    }

    @Override
    public Object invoke(ELContext context, Object base, Object method, Class<?>[] types, Object[] arguments) {
        String name = String.valueOf(method);
        List<?> values = arguments == null ? List.of() : Arrays.asList(arguments);
        Object result;
        if (name.equals(TemplateExpression.SLICE)) {
            result = slice(base, values);
        } else if (base instanceof CharSequence text) {
            result = PythonStrings.call(text.toString(), name, values)
                    .orElseThrow(() -> new ELException("a string's " + name + " with " + values.size()
                            + " arguments is not supported"));
        } else if (base instanceof Map<?, ?> map && name.equals("get") && (values.size() == 1 || values.size() == 2)) {
            Object found = map.get(values.getFirst());
            result = found != null || values.size() == 1 ? found : values.getLast();
        } else {
            return null;
        }
        context.setPropertyResolved(true);
        return result;
    }

    private static Object slice(Object base, List<?> bounds) {
        Long start = bound(bounds.get(0));
        Long stop = bound(bounds.get(1));
        Long step = bound(bounds.get(2));
        return switch (base) {
            case CharSequence text -> PythonStrings.slice(text.toString(), start, stop, step);
            case List<?> list -> PythonStrings.slice(list, start, stop, step);
            case null, default -> throw new ELException("only strings and lists can be sliced");
        };
    }

    private static Long bound(Object value) {
        return switch (value) {
            case null -> null;
            case Number number -> number.longValue();
            default -> throw new ELException("a slice's bound is " + value + ", expected a number");
        };
    }

    /** Returns the character of a string at an index. All other properties are left to later resolvers. */
    @Override
    public Object getValue(ELContext context, Object base, Object property) {
        // Jinjava passes an index as text.
        if (base instanceof CharSequence text && String.valueOf(property).matches("-?\\d{1,9}")) {
            context.setPropertyResolved(true);
            return PythonStrings.at(text.toString(), Long.parseLong(property.toString()))
                    .orElseThrow(() -> new ELException("a string has no character " + property));
        }
        return null;
    }

    @Override
    public Class<?> getType(ELContext context, Object base, Object property) {
        return null;
    }

    @Override
    public void setValue(ELContext context, Object base, Object property, Object value) {
        // Later resolvers handle all properties.
    }

    @Override
    public boolean isReadOnly(ELContext context, Object base, Object property) {
        return false;
    }

    @Override
    public Iterator<FeatureDescriptor> getFeatureDescriptors(ELContext context, Object base) {
        return Collections.emptyIterator();
    }

    @Override
    public Class<?> getCommonPropertyType(ELContext context, Object base) {
        return Object.class;
    }
}
